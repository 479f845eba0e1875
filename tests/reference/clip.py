"""Oracle for CLIP: transformers' CLIPModel and CLIPTokenizer, on seeded weights of small networks and a
vocabulary trained here. Writes the weights in every published form (a TorchScript archive in half
precision under the authors' names, a PyTorch file as OpenCLIP's, transformers' files), the vocabulary in
both, and clip.safetensors into the folder given as the first argument."""

import collections
import gzip
import json
import re
import sys
import unicodedata
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from transformers import (CLIPConfig, CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModel)

PAIRS = 130
CASES = {  # width and heads of the vision tower and of the text tower, activation
    "quick": (128, 2, 64, 1, "quick_gelu"),
    "exact": (160, 2, 128, 2, "gelu"),
}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
CORPUS = """a photo of a tench; a photo of a goldfish; a photo of a great white shark; a photo of the
hammerhead; a bad photo of one stingray; it's a drawing of an electric ray, isn't it; they're photos of
birds; the bird that we've seen; i'll be in the house; he'd like the small photo; the black and white photo of
the cat; a close-up photo of the dog; the toy car; a painting of the great grey owl in the tree"""
TEXTS = [
    "", " ", "a", "A photo of a cat.", "a photo of a tench", "a photo of the great grey owl!", "PHOTO Photo phOTO",
    "it's isn't we've they're i'm i'll he'd 'tis o'clock rock'n'roll 'S 'RE", "''s !'s x's.", "jack-o'-lantern",
    "black-footed ferret, polecat, Mustela nigripes", "T-shirt/top", "1 12 123 2026 3.14159 2,718,281 1st x2y",
    "http://example.org/a?b=c&d=e#f", "a_b __init__ [x](y) {z} <w> |v| ~`^\\", "!!! ... ?! -- --- %$#@", "&amp; &lt;b&gt;",
    "tab\tnew\nline\r\nvertical\x0bfeed\x0c nel\x85end", "two  spaces   three", "\u00a0\u2003\u3000 hard\u00a0spaces\u2028line\u2029",
    "caf\u00e9", "cafe\u0301", "\u00c5ngstr\u00f6m \u212bngstrom", "Stra\u00dfe STRA\u1e9eE", "\u0130stanbul I\u0307i", "\u0394\u03a3\u03a9 \u03c3\u03c2 \u03a3\u03a3",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u4e00\u53ea\u732b\u7684\u7167\u7247", "\u304b\u306a \u30ab\u30ca \u30ac\u30bf\u3099 \uff76", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\u0639\u0631\u0628\u0649\u0651 \u0661\u0662\u0663", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0915\u094d\u0937\u0947\u0924\u094d\u0930", "\U0001f600 smile \U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f",
    "\u00bd \u00b2 \u2168 \u2460 \u0be7", "\ufb01ne \uff21\uff22 \u01c5 \u1d2c", "soft\u00adhyphen zero\u200bwidth \ufeff mark", "a\u0000b \u0001\u007f", "\u201cquoted\u201d \u2018text\u2019 \u2014 \u2026",
    "\u20ac5 \u00a33 a\u00b4b", "\U00020000\u3400", "q\u0323\u0307 q\u0307\u0323 \u1e9b\u0323", "<|startoftext|>", "a<|endoftext|>b c<|startoftext|> !<|endoftext|>!",
    "<|endoftext", "endoftext|>", "<| endoftext |>", "x" * 300, "photo" * 60, "!" * 90, "a b " * 80, "of the photo " * 40, "7" * 100,
    "\u732b" * 60, "the photo of " + "a great white shark and " * 12 + "an owl",
]
TEXTS += [re.sub(r"\s+", " ", line).strip() for line in CORPUS.split(";")]


def byte_symbols():
    """The letter of each byte in the published files, printable bytes first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def train_pairs():
    """The most frequent pairs of the corpus, one after another."""
    symbols = byte_symbols()
    words = collections.Counter(re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+",
                                           CORPUS.lower() + " \u00e9 \u732b \u732b !! !!! \u0438 \u0438\u0440" * 2))
    splits = {}
    for word in words:
        parts = [symbols[b] for b in word.encode()]
        splits[word] = parts[:-1] + [parts[-1] + "</w>"]
    pairs = []
    while len(pairs) < PAIRS:
        counts = collections.Counter()
        for word, times in words.items():
            for pair in zip(splits[word], splits[word][1:]):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        pairs.append(best)
        for word, parts in splits.items():
            merged, i = [], 0
            while i < len(parts):
                if tuple(parts[i:i + 2]) == best:
                    merged.append("".join(best))
                    i += 2
                else:
                    merged.append(parts[i])
                    i += 1
            splits[word] = merged
    return pairs


def write_vocabulary(folder):
    pairs = train_pairs()
    tokens = list(byte_symbols().values())
    tokens += [token + "</w>" for token in tokens]
    tokens += ["".join(pair) for pair in pairs] + ["<|startoftext|>", "<|endoftext|>"]
    lines = "".join(f"{first} {second}\n" for first, second in pairs)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + lines)
    with gzip.open(folder / "bpe.txt.gz", "wt") as file:
        file.write("\"bpe_simple_vocab_16e6.txt#version: 0.2\n" + lines)
    return len(tokens)


class Part(torch.nn.Module):
    """A part of a network as nothing but its names."""

    def forward(self, x):
        return x + 1


def as_module(state):
    """A module with exactly these tensors: parameters, and buffers where they are numbers."""
    root = Part()
    for name, value in state.items():
        *path, last = name.split(".")
        part = root
        for step in path:
            if not hasattr(part, step):
                part.add_module(step, Part())
            part = getattr(part, step)
        if value.is_floating_point():
            part.register_parameter(last, torch.nn.Parameter(value.clone()))
        else:
            part.register_buffer(last, value.clone())
    return root


def authors_names(state, heads):
    """The names of the authors' files for those of transformers' CLIPModel."""
    out = {}
    for name, value in state.items():
        if name.endswith("position_ids") or re.search(r"\.[kv]_proj\.", name):
            continue
        if ".q_proj." in name:
            value = torch.cat([state[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            name = name.replace("self_attn.q_proj.", "attn.in_proj_")
        for old, new in (("self_attn.", "attn."), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                         ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("pre_layrnorm", "ln_pre"),
                         ("post_layernorm", "ln_post"), ("final_layer_norm", "ln_final"),
                         ("encoder.layers", "transformer.resblocks"), ("embeddings.patch_embedding", "conv1"),
                         ("embeddings.class_embedding", "class_embedding"),
                         ("embeddings.token_embedding", "token_embedding"),
                         ("embeddings.position_embedding.weight", "positional_embedding"),
                         ("vision_model.", "visual."), ("text_model.", "")):
            name = name.replace(old, new)
        if name == "visual_projection.weight":
            name, value = "visual.proj", value.t()
        elif name == "text_projection.weight":
            name, value = "text_projection", value.t()
        out[name] = value.contiguous()
    return out


def random_weights(model, generator):
    """Every tensor far from its initial value, activations of moderate size, all fit for float16."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.3 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        elif "position_embedding" in name:
            value = 0.5 * noise
            if "vision" in name:  # smooth on the grid, as trained ones are, with noise on top
                coarse = torch.randn((1, noise.shape[1], 5, 5), generator=generator) * 0.6
                value = 0.2 * noise
                value[1:] += F.interpolate(coarse, 16, mode="bicubic").flatten(2)[0].t()
        elif "embedding" in name and "patch" not in name:
            value = 0.7 * noise
        elif name == "logit_scale":
            value = noise
        else:
            value = 1.4 * noise * parameter[0].numel() ** -0.5
        parameter.data.copy_(value.half())


def on_grid(model, grid):
    """Positions of another grid put into the network before it is used, as REPA does."""
    embeddings = model.vision_model.embeddings
    kept = embeddings.interpolate_pos_encoding
    positions = resample_abs_pos_embed(embeddings.position_embedding.weight[None], list(grid))
    embeddings.interpolate_pos_encoding = lambda *_: positions
    return lambda: setattr(embeddings, "interpolate_pos_encoding", kept)


def write_network(folder, case, vocabulary, generator, tensors):
    width, heads, text_width, text_heads, activation = CASES[case]
    model = CLIPModel(CLIPConfig(
        projection_dim=48,
        vision_config=dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=2,
                           num_attention_heads=heads, patch_size=14, image_size=224,
                           hidden_act=activation),
        text_config=dict(hidden_size=text_width, intermediate_size=4 * text_width,
                         num_hidden_layers=3, num_attention_heads=text_heads,
                         vocab_size=vocabulary, hidden_act=activation,
                         bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1))).eval()
    random_weights(model, generator)
    model.save_pretrained(folder / case)
    for kind, tower in ((CLIPVisionModel, "vision"), (CLIPTextModel, "text")):
        alone = kind(getattr(model.config, f"{tower}_config"))
        alone.load_state_dict(getattr(model, f"{tower}_model").state_dict())
        alone.save_pretrained(folder / f"{case}.{tower}")
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    old = dict(state)  # as files of older versions
    old["vision_model.embeddings.position_ids"] = torch.arange(257)[None]
    old["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    torch.save(old, folder / f"{case}.bin")
    authors = authors_names(state, heads)
    torch.save(authors, folder / f"{case}.openclip.bin")
    published = {k: v.half() for k, v in authors.items()}
    published["input_resolution"] = torch.tensor(224)
    published["context_length"] = torch.tensor(77)
    published["vocab_size"] = torch.tensor(vocabulary)
    archive = torch.jit.trace(as_module(published).eval(), torch.zeros(1))
    assert set(archive.state_dict()) == set(published)
    torch.jit.save(archive, folder / f"{case}.pt")

    def store(name, output):
        tensors[f"{case}.{name}.class"] = output.pooler_output
        tensors[f"{case}.{name}.patches"] = output.last_hidden_state[:, 1:]

    store("224", model.vision_model(tensors["repa.224"]))
    store("plain", model.vision_model(tensors["wide"], interpolate_pos_encoding=True))
    for name, grid in (("wide", (12, 18)), ("repa.98", (7, 7))):
        restore = on_grid(model, grid)
        store(name, model.vision_model(tensors[name], interpolate_pos_encoding=True))
        restore()
    # Without a mask, as Stable Diffusion's pipeline asks: padding is seen by padding alone.
    tensors[f"{case}.text"] = model.text_model(tensors["ids"]).last_hidden_state


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(21)
    vocabulary = write_vocabulary(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    assert len(tokenizer) == vocabulary
    encoded = tokenizer(TEXTS, padding="max_length", max_length=77, truncation=True,
                        return_tensors="pt")
    tensors = {"all.ids": encoded.input_ids, "all.mask": encoded.attention_mask}
    chosen = list(range(0, len(TEXTS), 6))
    tensors["ids"] = encoded.input_ids[chosen]
    # Every known character on its own between two letters: what is a space, a letter, a number.
    points = [c for c in range(0x110000)
              if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    pieces = tokenizer([f"a{chr(c)}b" for c in points], add_special_tokens=False).input_ids
    table = torch.full((len(points), 14), -1, dtype=torch.int32)
    for row, ids in enumerate(pieces):
        table[row, :len(ids)] = torch.tensor(ids, dtype=torch.int32)
    tensors["points"] = torch.tensor(points, dtype=torch.int32)
    tensors["pieces"] = table

    coarse = torch.rand((2, 3, 24, 24), generator=generator)
    images = F.interpolate(coarse, 256, mode="bicubic") * 230 + 10
    images = images + torch.randn(images.shape, generator=generator) * 12
    images = images.clamp(0, 255).to(torch.uint8)
    grey = images[:, :1, 40:68, 90:118].contiguous()

    def repa_input(pixels, side):
        """Resized, then normalised: REPA's order for CLIP."""
        return (F.interpolate(pixels.float() / 255.0, side, mode="bicubic") - MEAN) / DEVIATION

    tensors |= {"images": images, "grey": grey, "repa.224": repa_input(images, 224),
                "wide": repa_input(images[:1], (168, 252)),
                "repa.98": repa_input(grey.expand(-1, 3, -1, -1), 98)}
    with torch.no_grad():
        for case in CASES:
            write_network(folder, case, vocabulary, generator, tensors)
    # Names and shapes of the published ViT-L/14, without memory for the values.
    with torch.device("meta"):
        whole = CLIPModel(CLIPConfig(
            projection_dim=768,
            vision_config=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                               num_attention_heads=16, patch_size=14),
            text_config=dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12)))
    metadata = {"texts": json.dumps(TEXTS), "chosen": json.dumps(chosen),
                "vocabulary": str(vocabulary),
                "published": json.dumps({k: list(v.shape) for k, v in whole.state_dict().items()})}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "clip.safetensors", metadata)


if __name__ == "__main__":
    main(sys.argv[1])
