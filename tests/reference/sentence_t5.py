"""Oracle for Sentence-T5: transformers' T5EncoderModel and T5Tokenizer on seeded weights of a small
network; what sentence-transformers puts behind them (mean over the mask, a matrix, unit length) is
written out here. Writes folders laid out as sentence-transformers publishes them, today's and the
published ones' (float16, PyTorch files), one in shards, and sentence_t5.safetensors into the folder
given as the first argument."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from t5 import CASES, ROWS, random_weights, texts, train_vocabulary

LONGEST = 256
WIDTH = 768


def embed(model, dense, encoded):
    """Mean over the tokens of the text, its end token among them; matrix; unit length."""
    states = model(encoded.input_ids, encoded.attention_mask).last_hidden_state
    mask = encoded.attention_mask.unsqueeze(-1).float()
    pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(dense(pooled), p=2, dim=1)


def settings(folder, width, pooling):
    for name, values in (
            ("1_Pooling", pooling),
            ("2_Dense", {"in_features": width, "out_features": WIDTH, "bias": False,
                         "activation_function": "torch.nn.modules.linear.Identity"})):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(values))


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    train_vocabulary(folder)
    generator = torch.Generator().manual_seed(17)
    plain, _ = texts()
    # Two prompts that are cut at 256 pieces, and more of one batch's length than fit into 16.
    prompts = plain + ["; ".join(plain), " and ".join(reversed(plain)), " ".join(plain[:9])]

    config = T5Config(vocab_size=ROWS, dropout_rate=0.0, pad_token_id=0, eos_token_id=1,
                      decoder_start_token_id=0, **CASES["relu"])
    model = T5EncoderModel(config).eval()
    random_weights(model, generator)
    dense = torch.nn.Sequential()
    dense.add_module("linear", torch.nn.Linear(config.d_model, WIDTH, bias=False))
    dense.linear.weight.data = torch.randn(WIDTH, config.d_model, generator=generator)

    legacy = {"word_embedding_dimension": config.d_model, "pooling_mode_cls_token": False,
              "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False,
              "pooling_mode_mean_sqrt_len_tokens": False}
    tensors = {}
    tokenizer = T5Tokenizer.from_pretrained(folder)
    encoded = tokenizer([prompt.strip() for prompt in prompts], padding=True, truncation=True,
                        max_length=LONGEST, return_tensors="pt")
    assert encoded.attention_mask.sum(1).max() == LONGEST
    tensors["lengths"] = encoded.attention_mask.sum(1)
    with torch.no_grad():
        for name, size in (("new", "1GB"), ("shards", "40KB")):
            model.save_pretrained(folder / name, max_shard_size=size)
            settings(folder / name, config.d_model,
                     {"embedding_dimension": config.d_model, "pooling_mode": "mean",
                      "include_prompt": True})
            save_file(dense.state_dict(), folder / name / "2_Dense/model.safetensors")
        tensors["vectors"] = embed(model, dense, encoded)

        published = folder / "published"
        settings(published, config.d_model, legacy)
        half = {k: v.half() for k, v in model.state_dict().items()}
        torch.save(half, published / "pytorch_model.bin")
        torch.save({k: v.half() for k, v in dense.state_dict().items()},
                   published / "2_Dense/pytorch_model.bin")
        model.load_state_dict({k: v.float() for k, v in half.items()})
        dense.half().float()
        tensors["vectors.half"] = embed(model, dense, encoded)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "sentence_t5.safetensors",
              {"prompts": json.dumps(prompts)})


if __name__ == "__main__":
    main(sys.argv[1])
