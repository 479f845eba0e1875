"""Oracle for T5: transformers' T5EncoderModel and T5Tokenizer and the sentencepiece package, on
seeded weights of small networks and a vocabulary trained here. Writes the weights in every published
form (see the calls of save below), spiece.model and t5.safetensors into the folder given as the first
argument."""

import json
import sys
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import (T5Config, T5EncoderModel, T5ForConditionalGeneration, T5Tokenizer)
from transformers.models.t5.modeling_t5 import T5Attention

LENGTH = 16
ROWS = 640
CASES = {  # heads together narrower and wider than the tokens
    "relu": dict(d_model=48, d_kv=8, d_ff=80, num_heads=4, num_layers=2,
                 feed_forward_proj="relu"),
    "gated": dict(d_model=40, d_kv=8, d_ff=56, num_heads=6, num_layers=3,
                  feed_forward_proj="gated-gelu"),
}
PUBLISHED = {  # one block as wide as published, of 1.1 XL and of 3B
    "xl": dict(d_model=2048, d_kv=64, d_ff=5120, num_heads=32, num_layers=1,
               feed_forward_proj="gated-gelu"),
    "b3": dict(d_model=1024, d_kv=128, d_ff=16384, num_heads=32, num_layers=1,
               feed_forward_proj="relu"),
}
NAMES = """tench; goldfish; great white shark; tiger shark; hammerhead; electric ray; stingray; cock;
hen; ostrich; brambling; goldfinch; house finch; junco; indigo bunting; robin; bulbul; jay; magpie;
chickadee; water ouzel; kite; bald eagle; vulture; great grey owl; European fire salamander; common newt;
spotted salamander; axolotl; bullfrog; tree frog; loggerhead; leatherback turtle; mud turtle; terrapin;
box turtle; banded gecko; common iguana; American chameleon; whiptail; agama; frilled lizard; alligator
lizard; Gila monster; green lizard; African chameleon; Komodo dragon; African crocodile; triceratops;
thunder snake; black-footed ferret; three-toed sloth; jack-o'-lantern; CD player; T-shirt/top;
ankle boot; Windsor tie; Shih-Tzu; carpenter's kit""".replace("\n", " ").split("; ")
SENTENCES = [
    "The network turns every prompt into a row of tokens, and the last of them ends the text.",
    "A photo shows one thing in front of another, or many things beside each other.",
    "Images of animals, tools, plants, vehicles and food were sorted into a thousand classes.",
    "When the light was low, the pictures came out dark and grainy; nobody threw them away.",
    "It isn't easy to say what a difficult picture is: the score says it with a number.",
    "Numbers such as 12, 345 and 2026 are cut into pieces as well (brackets, too).",
    "Das Bild zeigt einen großen Vogel; la photo montre un très petit oiseau près de l'eau.",
]


def train_vocabulary(folder):
    """A vocabulary with the settings of T5's, from a few sentences."""
    corpus = [f"a photo of a {name}" for name in NAMES] + SENTENCES * 3
    corpus += [f"{name} on the water, {name} in the house and {name} under a tree" for name in NAMES]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_prefix=str(folder / "spiece"), vocab_size=500,
        hard_vocab_limit=False, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        character_coverage=1.0, normalization_rule_name="nmt_nfkc", num_threads=1,
        minloglevel=2)
    sentencepiece.SentencePieceTrainer.train(  # ids of another family
        sentence_iterator=iter(corpus), model_prefix=str(folder / "other"), vocab_size=300,
        hard_vocab_limit=False, model_type="unigram", num_threads=1, minloglevel=2)


def texts():
    plain = [f"a photo of a {name}" for name in NAMES] + SENTENCES + [
        "", " ", "a", "Photo", "a photo of a very very very large great grey owl in the house of another",
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"]
    # T5Tokenizer is an implementation of its own and differs from the library on these.
    odd = ["  two  spaces\tand a tab ", "new\nline", "ｆｕｌｌ ｗｉｄｔｈ", "ﬁ ligature", "naïve café",
           "naı̈ve decomposed e\u0301", "漢字", "a 漢字漢字 b 漢", "🙂🙂 smile", "zero\u200bwidth", "soft\u00adhyphen",
           "\u00a0hard space\u00a0", "▁ underline ▁▁", "</s> and <pad> and <extra_id_0>", "…", "½ of it",
           "tab\x0bvertical", "\ufeffmark", "a" * 400]
    return plain, odd


def random_weights(model, generator):
    """Every tensor far from its initial value, activations of moderate size."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("layer_norm.weight"):
            value = 1 + 0.3 * noise
        elif "relative_attention_bias" in name:
            value = 1.5 * noise
        elif name == "shared.weight":
            value = 2 * noise
        elif ".SelfAttention.q." in name or ".SelfAttention.k." in name:
            value = 0.6 * noise * parameter.shape[1] ** -0.5  # nothing is divided by sqrt(d_kv)
        else:
            value = 1.2 * noise * parameter.shape[1] ** -0.5
        parameter.data.copy_(value)


def convert(shards, target):
    """Shards of PyTorch as the conversion to safetensors published them (flan-t5-xl): tied weights are
    stored once, under the name shared.weight, and the index still lists all their names."""
    target.mkdir(exist_ok=True)
    index = json.loads((shards / "pytorch_model.bin.index.json").read_text())
    for file in set(index["weight_map"].values()):
        part = torch.load(shards / file)
        for alias in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
            part.pop(alias, None)
        save_file(part, target / file.replace("pytorch_model", "model").replace(".bin", ".safetensors"))
    text = json.dumps(index).replace("pytorch_model", "model").replace(".bin", ".safetensors")
    (target / "model.safetensors.index.json").write_text(text)


def save(folder, case, model, whole):
    """The encoder as transformers writes it, whole and in shards, and the files of older exports."""
    for part, size in (("", "1GB"), (".shards", "40KB")):
        model.save_pretrained(folder / f"{case}{part}", max_shard_size=size)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state.pop("encoder.embed_tokens.weight", None)
    alias = dict(state)
    alias["encoder.embed_tokens.weight"] = alias.pop("shared.weight")
    save_file(alias, folder / f"{case}.alias.safetensors")
    # The whole model, with the decoder and both names of the embedding.
    merged = whole.state_dict()
    merged.update(model.state_dict())
    merged["encoder.embed_tokens.weight"] = merged["decoder.embed_tokens.weight"] = merged["shared.weight"]
    torch.save(merged, folder / f"{case}.bin")
    names = list(merged)
    shards = folder / f"{case}.bins"
    shards.mkdir(exist_ok=True)
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"pytorch_model-0000{number + 1}-of-00002.bin"
        torch.save({k: merged[k] for k in part}, shards / file)
        index["weight_map"].update(dict.fromkeys(part, file))
    (shards / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    convert(shards, folder / f"{case}.tied")
    half = {k: v.to(torch.float16) for k, v in state.items()}
    save_file(half, folder / f"{case}.half.safetensors")
    return half


def config_of(facts):
    return T5Config(vocab_size=ROWS, dropout_rate=0.0, relative_attention_num_buckets=32,
                    relative_attention_max_distance=128, pad_token_id=0, eos_token_id=1,
                    decoder_start_token_id=0, **facts)


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    train_vocabulary(folder)
    generator = torch.Generator().manual_seed(12)
    plain, odd = texts()

    tokenizer = T5Tokenizer.from_pretrained(folder)
    encoded = tokenizer(plain, padding="max_length", max_length=LENGTH, truncation=True,
                        return_tensors="pt")
    tensors = {"ids": encoded.input_ids, "mask": encoded.attention_mask}
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    for row, text in enumerate(plain):  # the oracles agree with each other
        ids = library.encode(text)[:LENGTH - 1] + [1]
        assert tensors["ids"][row].tolist() == ids + [0] * (LENGTH - len(ids)), text
    for row, text in enumerate(odd):
        tensors[f"odd.{row:02}"] = torch.tensor(library.encode(text), dtype=torch.int64)

    long_ids = torch.randint(0, ROWS, (3, 200), generator=generator)
    long_mask = (torch.arange(200) < torch.tensor([200, 131, 1]).unsqueeze(1)).long()
    tensors.update({"long.ids": long_ids, "long.mask": long_mask})
    distances = torch.arange(-300, 301)
    tensors["distances"] = distances
    tensors["buckets"] = T5Attention._relative_position_bucket(
        distances, bidirectional=True, num_buckets=32, max_distance=128)

    with torch.no_grad():
        for case, facts in CASES.items():
            config = config_of(facts)
            made = T5EncoderModel(config)
            random_weights(made, generator)
            half = save(folder, case, made, T5ForConditionalGeneration(config))
            model, report = T5EncoderModel.from_pretrained(folder / case, output_loading_info=True)
            assert not any(report.values()), report
            model.eval()
            tensors[f"{case}.states"] = model(tensors["ids"], tensors["mask"]).last_hidden_state
            tensors[f"{case}.long"] = model(long_ids, long_mask).last_hidden_state
            upcast = T5EncoderModel(config).eval()
            missing, unexpected = upcast.load_state_dict(
                {k: v.float() for k, v in half.items()}, strict=False)
            assert not unexpected and set(missing) <= {"encoder.embed_tokens.weight"}, missing
            tensors[f"{case}.half"] = upcast(tensors["ids"], tensors["mask"]).last_hidden_state

        for case, facts in PUBLISHED.items():  # stored in bfloat16, computed in float32
            model = T5EncoderModel(config_of(facts)).eval()
            random_weights(model, generator)
            stored = {k: v.to(torch.bfloat16) for k, v in model.state_dict().items()}
            stored.pop("encoder.embed_tokens.weight", None)
            save_file(stored, folder / f"{case}.block.safetensors")
            for parameter in model.parameters():
                parameter.data = parameter.data.to(torch.bfloat16).float()
            tensors[f"{case}.block"] = model(tensors["ids"][:8], tensors["mask"][:8]).last_hidden_state

        # The published totals, without memory for the values.
        for name, size in {"small": (512, 64, 2048, 8, 6, "relu"),
                           "b3": (1024, 128, 16384, 32, 24, "relu"),
                           "v11_small": (512, 64, 1024, 6, 8, "gated-gelu"),
                           "v11_xl": (2048, 64, 5120, 32, 24, "gated-gelu")}.items():
            config = T5Config(vocab_size=32128, d_model=size[0], d_kv=size[1], d_ff=size[2],
                              num_heads=size[3], num_layers=size[4], feed_forward_proj=size[5])
            with torch.device("meta"):
                parameters = list(T5EncoderModel(config).parameters())
            tensors[f"total.{name}"] = torch.tensor(
                [len(parameters), sum(v.numel() for v in parameters)])
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "t5.safetensors",
              {"plain": json.dumps(plain), "odd": json.dumps(odd)})


if __name__ == "__main__":
    main(sys.argv[1])
