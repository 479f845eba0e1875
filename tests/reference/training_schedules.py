"""Learning rates of a warm-up followed by each schedule, by torch.optim.lr_scheduler, at base rate 1.

Writes training_schedules.safetensors into the folder given as the first argument.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.optim import lr_scheduler

STEPS, WARMUP, FINAL, EVERY, FACTOR = 60, 10, 0.02, 15, 0.3
SPAN = STEPS - 1 - WARMUP
SCHEDULES = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, factor=1.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=SPAN, eta_min=FINAL),
    "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, FINAL, total_iters=SPAN),
    "step": lambda o: lr_scheduler.StepLR(o, step_size=EVERY, gamma=FACTOR),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, gamma=FACTOR ** (1 / EVERY)),
}


def rates(after):
    """The warm-up is LinearLR over its updates; what follows starts anew behind it."""
    values = []
    for make, steps in (
        (lambda o: lr_scheduler.LinearLR(o, 1 / WARMUP, 1.0, total_iters=WARMUP - 1), WARMUP),
        (after, STEPS - WARMUP),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = make(optimizer)
        for _ in range(steps):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return torch.tensor(values, dtype=torch.float64)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: rates(make) for name, make in SCHEDULES.items()}
    save_file(tensors, folder / "training_schedules.safetensors")


if __name__ == "__main__":
    main()
