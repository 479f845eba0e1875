"""Diffusion transformers by the published equations in plain torch, and by diffusers' DiT.

Weights, inputs and outputs' cotangents are seeded random numbers (no zero initialisation, so that
every path carries a gradient). Everything is evaluated in float64. Each case is one file
<folder>/<case>.safetensors: weight.*, gradient.* (published names), input.*, output.*, cotangent.*;
the network's shape stands in the metadata.
"""

import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

DEFAULTS = dict(
    depth=2, width=64, heads=2, patch=4, mlp_ratio=4, channels=1, image_height=28, image_width=28,
    classes=10, learn_sigma=0, class_embedding=1, text_embedding=0, text_tokens=0, text_width=0,
    align_depth=0, align_width=0, align_hidden=0, batch=3, scale_t=1,
)
CASES = {
    # 7 x 7 tokens of patch 4, dual conditional embedding, projector: the quick start's network
    "quick": dict(text_embedding=1, text_tokens=5, text_width=12, align_depth=1, align_width=20,
                  align_hidden=48, batch=5),
    # more samples than prompts, so that the text table is embedded as a whole
    "few_prompts": dict(classes=3, text_embedding=1, text_tokens=4, text_width=8, batch=7),
    "text_only": dict(class_embedding=0, text_embedding=1, text_tokens=3, text_width=8, width=32),
    "unconditional": dict(class_embedding=0, classes=0, width=32, heads=4),
    "learn_sigma": dict(channels=4, image_height=16, image_width=16, patch=2, learn_sigma=1,
                        scale_t=1000, heads=4),
    "head_72": dict(channels=4, image_height=16, image_width=16, patch=2, width=144, heads=2),
    "oblong": dict(channels=3, image_height=16, image_width=40, patch=8, width=36, heads=3,
                   mlp_ratio=3),
    "width_96": dict(width=96, heads=2, batch=2),
    "s2": dict(channels=4, image_height=32, image_width=32, patch=2, width=384, heads=6,
               learn_sigma=1, scale_t=1000, classes=20, batch=2),
}


def parameter_shapes(s):
    d, hidden = s["width"], s["width"] * s["mlp_ratio"]
    out = s["channels"] * (2 if s["learn_sigma"] else 1)
    tokens = s["image_height"] * s["image_width"] // s["patch"] ** 2
    shapes = {"x_embedder.proj.weight": (d, s["channels"], s["patch"], s["patch"]),
              "x_embedder.proj.bias": (d,), "pos_embed": (1, tokens, d)}

    def linear(name, rows, columns):
        shapes[name + ".weight"], shapes[name + ".bias"] = (rows, columns), (rows,)

    linear("t_embedder.mlp.0", d, 256)
    linear("t_embedder.mlp.2", d, d)
    if s["class_embedding"]:
        shapes["y_embedder.embedding_table.weight"] = (s["classes"] + 1, d)
    if s["text_embedding"]:
        shapes["y_embedder.text_conv.weight"] = (d, s["text_width"], s["text_tokens"])
        shapes["y_embedder.text_conv.bias"] = (d,)
        linear("y_embedder.text_mlp.0", d, d)
        linear("y_embedder.text_mlp.2", d, d)
    for i in range(s["depth"]):
        linear(f"blocks.{i}.attn.qkv", 3 * d, d)
        linear(f"blocks.{i}.attn.proj", d, d)
        linear(f"blocks.{i}.mlp.fc1", hidden, d)
        linear(f"blocks.{i}.mlp.fc2", d, hidden)
        linear(f"blocks.{i}.adaLN_modulation.1", 6 * d, d)
    linear("final_layer.linear", s["patch"] ** 2 * out, d)
    linear("final_layer.adaLN_modulation.1", 2 * d, d)
    if s["align_depth"]:
        linear("projectors.0.0", s["align_hidden"], d)
        linear("projectors.0.2", s["align_hidden"], s["align_hidden"])
        linear("projectors.0.4", s["align_width"], s["align_hidden"])
    return shapes


def positions(rows, columns, width):
    quarter = width // 4
    omega = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    grid = torch.arange(rows * columns)
    across = (grid % columns).double()[:, None] * omega
    down = (grid // columns).double()[:, None] * omega
    return torch.cat([across.sin(), across.cos(), down.sin(), down.cos()], 1)[None]


def seeded_weights(s, generator):
    weights = {}
    for name, shape in parameter_shapes(s).items():
        if name == "pos_embed":
            value = positions(s["image_height"] // s["patch"], s["image_width"] // s["patch"],
                              s["width"])
        else:
            value = torch.randn(shape, generator=generator, dtype=torch.float64)
            fan = math.prod(shape[1:]) if len(shape) > 1 else 25
            value = value * (1.0 if "table" in name else fan ** -0.5)
        weights[name] = value.float().double().requires_grad_(name != "pos_embed")
    return weights


def linear(w, name, x):
    return x @ w[name + ".weight"].flatten(1).T + w[name + ".bias"]


def norm(x):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(-1, keepdim=True) + 1e-6).sqrt()


def attention(w, name, x, heads):
    batch, tokens, width = x.shape
    q, k, v = linear(w, name + ".qkv", x).chunk(3, -1)
    q, k, v = (y.reshape(batch, tokens, heads, -1).transpose(1, 2) for y in (q, k, v))
    logits = q @ k.transpose(-1, -2) * (width // heads) ** -0.5
    mixed = (logits.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, width)
    return linear(w, name + ".proj", mixed)


def condition_of(w, s, t, labels, text_labels, text, mask):
    """Embedding of time and of class, text or both, [B, width]."""
    frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
    angles = t.float()[:, None] * frequencies  # float32, as published
    features = torch.cat([angles.cos(), angles.sin()], 1).to(w["t_embedder.mlp.0.weight"].dtype)
    condition = linear(w, "t_embedder.mlp.2", F.silu(linear(w, "t_embedder.mlp.0", features)))
    if s["class_embedding"]:
        condition = condition + w["y_embedder.embedding_table.weight"][labels]
    if s["text_embedding"]:
        masked = torch.cat([text * mask[..., None], torch.zeros_like(text[:1])])[text_labels]
        e = F.conv1d(masked.transpose(1, 2), w["y_embedder.text_conv.weight"],
                     w["y_embedder.text_conv.bias"], stride=s["text_tokens"]).squeeze(-1)
        hidden = F.silu(linear(w, "y_embedder.text_mlp.0", norm(e)))
        condition = condition + linear(w, "y_embedder.text_mlp.2", hidden) + e
    return condition


def network(w, s, x, t, labels, text_labels, text, mask):
    p, width, batch = s["patch"], s["width"], x.shape[0]
    h = F.conv2d(x, w["x_embedder.proj.weight"], w["x_embedder.proj.bias"], stride=p)
    h = h.flatten(2).transpose(1, 2) + w["pos_embed"]

    condition = condition_of(w, s, t, labels, text_labels, text, mask)

    def modulation(name, parts):
        return [m[:, None] for m in linear(w, name, F.silu(condition)).chunk(parts, -1)]

    projected = None
    for i in range(s["depth"]):
        name = f"blocks.{i}"
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(name + ".adaLN_modulation.1", 6)
        h = h + gate1 * attention(w, name + ".attn", norm(h) * (1 + scale1) + shift1, s["heads"])
        hidden = linear(w, name + ".mlp.fc1", norm(h) * (1 + scale2) + shift2)
        h = h + gate2 * linear(w, name + ".mlp.fc2", F.gelu(hidden, approximate="tanh"))
        if s["align_depth"] == i + 1:
            z = F.silu(linear(w, "projectors.0.0", h))
            projected = linear(w, "projectors.0.4", F.silu(linear(w, "projectors.0.2", z)))
    shift, scale = modulation("final_layer.adaLN_modulation.1", 2)
    y = linear(w, "final_layer.linear", norm(h) * (1 + scale) + shift)
    rows, columns = s["image_height"] // p, s["image_width"] // p
    y = y.reshape(batch, rows, columns, p, p, -1).permute(0, 5, 1, 3, 2, 4)
    return y.reshape(batch, -1, s["image_height"], s["image_width"]), projected


def inputs_for(s, generator):
    b, classes = s["batch"], s["classes"]
    normal = lambda *shape: torch.randn(shape, generator=generator).double()
    inputs = {
        "x": normal(b, s["channels"], s["image_height"], s["image_width"]),
        "t": (torch.rand(b, generator=generator) * s["scale_t"]).double(),
        "labels": torch.randint(0, classes + 1, (b,), generator=generator),
        "text_labels": torch.randint(0, classes + 1, (b,), generator=generator),
    }
    inputs["labels"][0] = classes
    if s["text_embedding"]:
        inputs["text"] = normal(classes, s["text_tokens"], s["text_width"])
        inputs["mask"] = (torch.rand(classes, s["text_tokens"], generator=generator) < 0.7).double()
    return inputs


def write(folder, case, s, weights, gradients, inputs, outputs, cotangents):
    groups = dict(weight=weights, gradient=gradients, input=inputs, output=outputs,
                  cotangent=cotangents)
    tensors = {f"{group}.{name}": value.detach().contiguous().clone()
               for group, values in groups.items() for name, value in values.items()}
    save_file(tensors, folder / f"{case}.safetensors", {k: str(v) for k, v in s.items()})


def run(folder, case, overrides, seed):
    s = {**DEFAULTS, **overrides}
    generator = torch.Generator().manual_seed(seed)
    weights, inputs = seeded_weights(s, generator), inputs_for(s, generator)
    prediction, projected = network(weights, s, inputs["x"], inputs["t"], inputs["labels"],
                                    inputs["text_labels"], inputs.get("text"), inputs.get("mask"))
    outputs = {"image": prediction}
    if projected is not None:
        outputs["projected"] = projected
    cotangents = {name: torch.randn(y.shape, generator=generator).double()
                  for name, y in outputs.items()}
    sum((cotangents[name] * y).sum() for name, y in outputs.items()).backward()
    gradients = {name: w.grad for name, w in weights.items() if w.requires_grad}
    write(folder, case, s, weights, gradients, inputs, outputs, cotangents)


def run_diffusers(folder, seed):
    from diffusers import DiTTransformer2DModel

    s = {**DEFAULTS, **dict(channels=4, image_height=16, image_width=16, patch=2, learn_sigma=1,
                            width=96, heads=4, scale_t=1000)}
    generator = torch.Generator().manual_seed(seed)
    weights, inputs = seeded_weights(s, generator), inputs_for(s, generator)
    inputs["t"] = inputs["t"].round()
    model = DiTTransformer2DModel(
        num_attention_heads=s["heads"], attention_head_dim=s["width"] // s["heads"],
        in_channels=4, out_channels=8, num_layers=s["depth"], sample_size=16, patch_size=2,
        num_embeds_ada_norm=s["classes"], norm_eps=1e-6).eval().double()
    # diffusers spaces the time frequencies by 1/127; the published network by 1/128.
    for block in model.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = 0

    names = {"x_embedder.proj": ["pos_embed.proj"], "final_layer.linear": ["proj_out_2"],
             "final_layer.adaLN_modulation.1": ["proj_out_1"]}
    emb = [f"transformer_blocks.{i}.norm1.emb." for i in range(s["depth"])]
    names["t_embedder.mlp.0"] = [e + "timestep_embedder.linear_1" for e in emb]
    names["t_embedder.mlp.2"] = [e + "timestep_embedder.linear_2" for e in emb]
    names["y_embedder.embedding_table"] = [e + "class_embedder.embedding_table" for e in emb]
    for i in range(s["depth"]):
        theirs, ours = f"transformer_blocks.{i}.", f"blocks.{i}."
        names[ours + "adaLN_modulation.1"] = [theirs + "norm1.linear"]
        names[ours + "attn.proj"] = [theirs + "attn1.to_out.0"]
        names[ours + "mlp.fc1"] = [theirs + "ff.net.0.proj"]
        names[ours + "mlp.fc2"] = [theirs + "ff.net.2"]
    theirs = dict(model.named_parameters())
    with torch.no_grad():
        seen = set()
        for name, value in weights.items():
            if name == "pos_embed":
                continue
            stem, kind = name.rsplit(".", 1)
            if stem.endswith("attn.qkv"):
                block = int(stem.split(".")[1])
                for part, piece in zip("qkv", value.chunk(3)):
                    key = f"transformer_blocks.{block}.attn1.to_{part}.{kind}"
                    theirs[key].copy_(piece)
                    seen.add(key)
                continue
            for key in names[stem]:
                theirs[f"{key}.{kind}"].copy_(value)
                seen.add(f"{key}.{kind}")
        assert seen == set(theirs), set(theirs) ^ seen
    image = model(inputs["x"], inputs["t"], inputs["labels"]).sample
    cotangents = {"image": torch.randn(image.shape, generator=generator).double()}
    (image * cotangents["image"]).sum().backward()

    def gradient(key):
        return theirs[key].grad if theirs[key].grad is not None else torch.zeros_like(theirs[key])

    gradients = {}
    for name in weights:
        if name == "pos_embed":
            continue
        stem, kind = name.rsplit(".", 1)
        if stem.endswith("attn.qkv"):
            block = int(stem.split(".")[1])
            gradients[name] = torch.cat(
                [gradient(f"transformer_blocks.{block}.attn1.to_{part}.{kind}") for part in "qkv"])
        else:
            gradients[name] = sum(gradient(f"{key}.{kind}") for key in names[stem])
    weights["pos_embed"] = dict(model.named_buffers())["pos_embed.pos_embed"]
    write(folder, "diffusers", s, weights, gradients, inputs, {"image": image}, cotangents)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (case, overrides) in enumerate(CASES.items()):
        run(folder, case, overrides, seed)
    run_diffusers(folder, len(CASES))


if __name__ == "__main__":
    main()
