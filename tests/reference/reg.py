"""Representation Entanglement for Generation (Wu et al. 2025) by its published equations in plain
torch and float64: the network with a class token, the training loss, and the sampler.

Each network case is <folder>/<case>.safetensors with weight.*, gradient.* (of the cotangents'
product), loss_gradient.* (of the training loss), input.*, input_gradient.*, output.*, cotangent.*
and loss.*; the shape stands in the metadata. sampler.safetensors holds whole trajectories.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import dit
from dit import linear, norm

CASES = {
    # 2 x 2 patches and the class token: fewer tokens than a vector register holds
    "small": dict(image_height=8, image_width=8, width=32, align_depth=1, align_width=6,
                  align_hidden=24, class_token_width=6, batch=4),
    # 7 x 7 patches and the class token, text and class, projector after the last block
    "quick": dict(text_embedding=1, text_tokens=5, text_width=12, align_depth=2, align_width=20,
                  align_hidden=48, class_token_width=20, batch=5),
    # the class token without alignment; 64 patches, heads of width 48
    "no_projector": dict(channels=4, image_height=16, image_width=16, patch=2, width=96,
                         class_token_width=33, batch=2),
}
ALIGN_WEIGHT, CLASS_TOKEN_WEIGHT = 0.5, 0.03


def seeded_weights(s, generator):
    weights = dit.seeded_weights(s, generator)
    d, v = s["width"], s["class_token_width"]
    for name, shape, spread in (("cls_projectors2.weight", (d, v), v ** -0.5),
                                ("cls_projectors2.bias", (d,), 0.2), ("wg_norm.weight", (d,), 0.2),
                                ("wg_norm.bias", (d,), 0.2),
                                ("final_layer.linear_cls.weight", (v, d), d ** -0.5),
                                ("final_layer.linear_cls.bias", (v,), 0.2)):
        value = torch.randn(shape, generator=generator, dtype=torch.float64) * spread
        value = value + (1 if name == "wg_norm.weight" else 0)
        weights[name] = value.float().double().requires_grad_(True)
    positions = weights["pos_embed"]
    weights["pos_embed"] = torch.cat([torch.zeros_like(positions[:, :1]), positions], 1)
    return weights


def network(w, s, x, class_token, t, labels, text_labels, text, mask):
    p, width, batch = s["patch"], s["width"], x.shape[0]
    patches = F.conv2d(x, w["x_embedder.proj.weight"], w["x_embedder.proj.bias"], stride=p)
    first = F.layer_norm(linear(w, "cls_projectors2", class_token), (width,), w["wg_norm.weight"],
                         w["wg_norm.bias"], eps=1e-6)
    h = torch.cat([first[:, None], patches.flatten(2).transpose(1, 2)], 1) + w["pos_embed"]

    condition = dit.condition_of(w, s, t, labels, text_labels, text, mask)

    def modulation(name, parts):
        return [m[:, None] for m in linear(w, name, F.silu(condition)).chunk(parts, -1)]

    projected = None
    for i in range(s["depth"]):
        name = f"blocks.{i}"
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(name + ".adaLN_modulation.1", 6)
        h = h + gate1 * dit.attention(w, name + ".attn", norm(h) * (1 + scale1) + shift1,
                                      s["heads"])
        hidden = linear(w, name + ".mlp.fc1", norm(h) * (1 + scale2) + shift2)
        h = h + gate2 * linear(w, name + ".mlp.fc2", F.gelu(hidden, approximate="tanh"))
        if s["align_depth"] == i + 1:
            z = F.silu(linear(w, "projectors.0.0", h))
            projected = linear(w, "projectors.0.4", F.silu(linear(w, "projectors.0.2", z)))
    shift, scale = modulation("final_layer.adaLN_modulation.1", 2)
    h = norm(h) * (1 + scale) + shift
    predicted_class = linear(w, "final_layer.linear_cls", h[:, 0])
    y = linear(w, "final_layer.linear", h[:, 1:])
    rows, columns = s["image_height"] // p, s["image_width"] // p
    y = y.reshape(batch, rows, columns, p, p, -1).permute(0, 5, 1, 3, 2, 4)
    return y.reshape(batch, -1, s["image_height"], s["image_width"]), predicted_class, projected


def losses(outputs, inputs):
    """Denoising, alignment and class token's loss, each a mean over batch and elements."""
    image, class_token, projected = outputs
    denoise = (image - (inputs["noise"] - inputs["x0"])).square().flatten(1).mean(1).mean()
    of_class = (class_token - (inputs["class_noise"] - inputs["c0"])).square().mean(1).mean()
    if projected is None:
        return denoise, torch.zeros(()), of_class
    targets = torch.cat([inputs["c0"][:, None], inputs["visual_tokens"]], 1)
    cosine = (F.normalize(projected, dim=-1) * F.normalize(targets, dim=-1)).sum(-1)
    return denoise, -cosine.mean(1).mean(), of_class


def run(folder, case, overrides, seed):
    s = {**dit.DEFAULTS, **overrides}
    generator = torch.Generator().manual_seed(seed)
    weights, inputs = seeded_weights(s, generator), dit.inputs_for(s, generator)
    b, v = s["batch"], s["class_token_width"]
    patches = s["image_height"] * s["image_width"] // s["patch"] ** 2
    normal = lambda *shape: torch.randn(shape, generator=generator).double()
    inputs["x0"], inputs["noise"] = inputs.pop("x"), normal(*inputs["t"].shape, s["channels"],
                                                           s["image_height"], s["image_width"])
    inputs["c0"], inputs["class_noise"] = 2 * normal(b, v), normal(b, v)
    inputs["visual_tokens"] = normal(b, patches, v)
    t = inputs["t"]
    x = ((1 - t)[:, None, None, None] * inputs["x0"] + t[:, None, None, None] * inputs["noise"])
    class_token = (1 - t)[:, None] * inputs["c0"] + t[:, None] * inputs["class_noise"]
    inputs["x"], inputs["class_token"] = x.requires_grad_(True), class_token.requires_grad_(True)

    def forward():
        return network(weights, s, inputs["x"], inputs["class_token"], t, inputs["labels"],
                       inputs["text_labels"], inputs.get("text"), inputs.get("mask"))

    leaves = {name: w for name, w in weights.items() if w.requires_grad}
    names = [name for name in ("image", "class_token", "projected")]
    outputs = {n: y for n, y in zip(names, forward()) if y is not None}
    cotangents = {n: torch.randn(y.shape, generator=generator).double()
                  for n, y in outputs.items()}
    wanted = list(leaves.values()) + [inputs["x"], inputs["class_token"]]
    gradients = torch.autograd.grad(
        sum((cotangents[n] * y).sum() for n, y in outputs.items()), wanted)
    denoise, align, of_class = losses(forward(), inputs)
    total = denoise + ALIGN_WEIGHT * align + CLASS_TOKEN_WEIGHT * of_class
    loss_gradients = torch.autograd.grad(total, list(leaves.values()))

    tensors = {}
    for group, values in (
            ("weight", weights), ("input", inputs), ("output", outputs), ("cotangent", cotangents),
            ("gradient", dict(zip(leaves, gradients))),
            ("input_gradient", dict(zip(("x", "class_token"), gradients[-2:]))),
            ("loss_gradient", dict(zip(leaves, loss_gradients))),
            ("loss", dict(total=total, denoise=denoise, align=align, class_token=of_class))):
        for name, value in values.items():
            tensors[f"{group}.{name}"] = value.detach().contiguous().clone()
    save_file(tensors, folder / f"{case}.safetensors", {k: str(v) for k, v in s.items()})


def run_sampler(folder, seed):
    """The published sampler: image and class token together, one Euler-Maruyama step for both with
    the diffusion 2 t, image noise drawn before class noise, guidance within its interval."""
    generator = torch.Generator().manual_seed(seed)
    n, pixels, v, steps = 3, 4, 3, 12
    size = pixels + v
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)
    conditional, unconditional = draw(size, size) / 3, draw(size, size) / 3
    tensors = {"conditional": conditional, "unconditional": unconditional}
    start, noises = draw(n, size), draw(steps, n, size)
    tensors["start"], tensors["noises"] = start, noises
    grid = torch.cat([torch.linspace(1.0, 0.04, steps, dtype=torch.float64), torch.zeros(1)])
    for case, (scale, class_scale, low, high) in dict(
            plain=(1.0, 0.0, 0.0, 1.0), guided=(2.3, 1.7, 0.0, 0.85),
            class_unguided=(2.3, 0.0, 0.1, 1.0)).items():
        x, c = start[:, :pixels].clone(), start[:, pixels:].clone()
        for i, (t, t_next) in enumerate(zip(grid[:-1], grid[1:])):
            dt = t_next - t

            def drift(matrix):
                velocity = torch.tanh(torch.cat([x, c], 1) @ matrix.T + t)
                velocity = velocity[:, :pixels], velocity[:, pixels:]
                scores = [-((1 - t) * u + y) / t for u, y in zip(velocity, (x, c))]
                return [u - 0.5 * (2 * t) * score for u, score in zip(velocity, scores)]

            dx, dc = drift(conditional)
            if scale > 1 and low <= t <= high:
                dx_null, dc_null = drift(unconditional)
                dx = dx_null + scale * (dx - dx_null)
                if class_scale > 0:
                    dc = dc_null + class_scale * (dc - dc_null)
            x, c = x + dx * dt, c + dc * dt
            if i + 1 < steps:  # the last step adds no noise
                amount = torch.sqrt(2 * t) * torch.sqrt(torch.abs(dt))
                x = x + amount * noises[i][:, :pixels]
                c = c + amount * noises[i][:, pixels:]
        tensors[case] = torch.cat([x, c], 1)
    save_file({name: y.contiguous() for name, y in tensors.items()},
              folder / "sampler.safetensors")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (case, overrides) in enumerate(CASES.items()):
        run(folder, case, overrides, 100 + seed)
    run_sampler(folder, 200)


if __name__ == "__main__":
    main()
