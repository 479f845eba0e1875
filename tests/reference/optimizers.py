"""AdamW and Muon by torch.optim, with gradient clipping and a weight average, on seeded gradients.

Muon is run twice: as published (bfloat16 Newton-Schulz) and with the same iteration in float32.
Writes optimizers.safetensors into the folder given as the first argument.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file

SHAPES = {
    "x_embedder.proj.weight": (8, 3, 2, 2),
    "blocks.0.attn.qkv.weight": (24, 8),
    "blocks.0.attn.qkv.bias": (24,),
    "blocks.0.attn.proj.weight": (8, 8),
    "blocks.0.mlp.fc1.weight": (32, 8),
    "blocks.0.mlp.fc2.weight": (8, 32),
    "blocks.0.adaLN_modulation.1.weight": (48, 8),
}
MUON = ("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")
STEPS = 8
RATE, MUON_RATE, BETAS, DECAY, CLIP, AVERAGE = 1e-2, 3e-2, (0.9, 0.99), 0.1, 1.0, 0.9


def newton_schulz_float32(matrix, coefficients, steps, eps):
    a, b, c = coefficients
    x = matrix.T if matrix.size(0) > matrix.size(1) else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.size(0) > matrix.size(1) else x


def run(start, gradients, muon):
    parameters, matrices, others, all_parameters = {}, [], [], []
    for name, value in start.items():
        parts = value.chunk(3) if muon and name.endswith("qkv.weight") else (value,)
        parameters[name] = [torch.nn.Parameter(part.clone()) for part in parts]
        (matrices if muon and name.endswith(MUON) else others).extend(parameters[name])
        all_parameters.extend(parameters[name])
    optimizers = [torch.optim.AdamW(others, lr=RATE, betas=BETAS, weight_decay=DECAY)]
    if muon:
        optimizers.append(torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=DECAY))

    def flat():
        return torch.cat([p.detach().flatten() for name in start for p in parameters[name]])

    average, values, averages, norms = flat(), [], [], []
    for step in range(STEPS):
        position = 0
        for parameter in all_parameters:
            count = parameter.numel()
            parameter.grad = gradients[step, position : position + count].view_as(parameter).clone()
            position += count
        norms.append(torch.nn.utils.clip_grad_norm_(all_parameters, CLIP))
        for optimizer in optimizers:
            optimizer.step()
        average = AVERAGE * average + (1 - AVERAGE) * flat()
        values.append(flat())
        averages.append(average)
    return torch.stack(values), torch.stack(averages), torch.stack(norms)


def main():
    torch.manual_seed(3)
    start = {name: 0.5 * torch.randn(shape) for name, shape in SHAPES.items()}
    count = sum(value.numel() for value in start.values())
    # From far above the clipping norm to far below it.
    gradients = torch.randn(STEPS, count) * torch.logspace(0, -4, STEPS)[:, None]
    tensors = {
        "start": torch.cat([value.flatten() for value in start.values()]),
        "gradients": gradients,
    }
    runs = {"adamw": run(start, gradients, False), "muon_bfloat16": run(start, gradients, True)}
    module = sys.modules["torch.optim._muon"]
    published = module._zeropower_via_newtonschulz
    module._zeropower_via_newtonschulz = newton_schulz_float32
    runs["muon"] = run(start, gradients, True)
    module._zeropower_via_newtonschulz = published
    for name, (values, averages, norms) in runs.items():
        tensors |= {f"{name}.values": values, f"{name}.averages": averages, f"{name}.norms": norms}
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "optimizers.safetensors")


if __name__ == "__main__":
    main()
