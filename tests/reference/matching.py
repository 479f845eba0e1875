"""Objectives on every path and target: values and gradients of their losses, in float64.

The paths, losses and weightings of SiT are written out here in SiT's own form (t = 1 is data, the
velocity points to the data), those of DDPM schedules with numpy and checked against diffusers'
DDPMScheduler; gradients come from torch's autograd. Also DDPM chains of diffusers on the cosine
schedule for each target. Writes matching.safetensors into the folder given as the first argument.
"""

import math
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from safetensors.torch import save_file

GAMMA = 5
SHAPE = (5, 2, 3, 3)


def linear(s):
    return s, 1 - s, torch.ones_like(s), -torch.ones_like(s)


def gvp(s):
    a = s * math.pi / 2
    return a.sin(), a.cos(), math.pi / 2 * a.cos(), -math.pi / 2 * a.sin()


def vp(s):
    log = -0.25 * (1 - s) ** 2 * 19.9 - 0.5 * (1 - s) * 0.1
    slope = 0.5 * (1 - s) * 19.9 + 0.05
    alpha, sigma = log.exp(), (1 - (2 * log).exp()).sqrt()
    return alpha, sigma, alpha * slope, (2 * log).exp() * 2 * slope / (-2 * sigma)


def alpha_bar(schedule):
    if schedule == "linear":
        betas = np.linspace(1e-4, 2e-2, 1000, dtype=np.float64)
    else:
        bar = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = np.array([min(1 - bar((i + 1) / 1000) / bar(i / 1000), 0.999) for i in range(1000)])
    return np.cumprod(1 - betas)


def scheduler_of(schedule, **options):
    """diffusers' scheduler with its float32 tables replaced by float64 ones."""
    name = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[schedule]
    scheduler = DDPMScheduler(
        beta_schedule=name, beta_start=1e-4, beta_end=2e-2, clip_sample=False, **options
    )
    bar = torch.from_numpy(alpha_bar(schedule))
    # float32 leaves 1e-4 of the last value
    assert torch.allclose(scheduler.alphas_cumprod.double(), bar, rtol=2e-4, atol=1e-9)
    scheduler.alphas_cumprod = bar
    scheduler.alphas = bar / torch.cat([torch.ones(1), bar[:-1]])
    scheduler.betas = 1 - scheduler.alphas
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def mean(error):
    return error.flatten(1).mean(1)


def continuous_cases(generator):
    tensors = {}
    s = 1 - torch.tensor([0.0015, 0.2, 0.5, 0.83, 0.998], dtype=torch.float64)
    tensors["continuous.t"] = 1 - s
    s = (1 - (1 - s)).view(-1, 1, 1, 1)  # the same bits as 1 - t
    x0, noise, guess = torch.randn(3, *SHAPE, dtype=torch.float64, generator=generator)
    tensors |= {"continuous.x0": x0, "continuous.noise": noise, "continuous.guess": guess}
    for path in (linear, gvp, vp):
        alpha, sigma, d_alpha, d_sigma = path(s)
        x_t = alpha * x0 + sigma * noise
        tensors[f"{path.__name__}.x_t"] = x_t
        w = d_alpha / alpha * sigma**2 - sigma * d_sigma
        snr = (alpha / sigma) ** 2
        clamped = snr.clamp(max=GAMMA)
        weights = {
            "none": torch.ones_like(w),
            "velocity": (w / sigma) ** 2,
            "likelihood": w / sigma**2,
            "min_snr": clamped / snr,
        }
        for target in ("velocity", "noise", "data", "score"):
            for weighting, weight in weights.items():
                if target == "velocity" and weighting in ("velocity", "likelihood"):
                    continue
                p = guess.clone().requires_grad_()
                if target == "velocity":
                    # time runs the other way: the prediction is minus SiT's velocity
                    of_noise = (sigma / w) ** 2
                    weight = weight if weighting == "none" else weight * of_noise
                    loss = weight * (-p - (d_alpha * x0 + d_sigma * noise)) ** 2
                    ratio = alpha / d_alpha
                    score = (ratio * -p - x_t) / (sigma**2 - ratio * d_sigma * sigma)
                    eps = -sigma * score
                elif target == "noise":
                    loss, eps = weight * (p - noise) ** 2, p
                elif target == "score":
                    loss, eps = weight * (p * sigma + noise) ** 2, -sigma * p
                else:
                    weight = weight if weighting == "none" else weight * snr
                    loss, eps = weight * (p - x0) ** 2, (x_t - alpha * p) / sigma
                loss = mean(loss)
                loss.sum().backward()
                name = f"{path.__name__}.{target}.{weighting}"
                tensors |= {f"{name}.loss": loss.detach(), f"{name}.gradient": p.grad}
                tensors[f"{path.__name__}.{target}.error"] = mean((noise - eps) ** 2).detach()
    return tensors


def discrete_cases(generator):
    tensors = {}
    t = torch.tensor([0, 3, 400, 900, 999])
    x0, noise, guess = torch.randn(3, *SHAPE, dtype=torch.float64, generator=generator)
    tensors |= {
        "discrete.t": t.double(),
        "discrete.x0": x0,
        "discrete.noise": noise,
        "discrete.guess": guess,
    }
    for schedule in ("linear", "cosine"):
        scheduler = scheduler_of(schedule)
        bar = torch.from_numpy(alpha_bar(schedule))
        tensors[f"{schedule}.alpha_bar"] = bar
        bar = bar[t].view(-1, 1, 1, 1)
        alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
        x_t = scheduler.add_noise(x0, noise, t)
        tensors[f"ddpm_{schedule}.x_t"] = x_t
        velocity = scheduler.get_velocity(x0, noise, t)
        snr = bar / (1 - bar)
        assert torch.allclose(compute_snr(scheduler, t).double(), snr.flatten(), rtol=1e-5)
        clamped = snr.clamp(max=GAMMA)
        for target in ("velocity", "noise", "data", "score"):
            for weighting in ("none", "min_snr"):
                p = guess.clone().requires_grad_()
                error, weight, eps = {
                    "velocity": lambda: (p - velocity, clamped / (snr + 1), alpha * p + sigma * x_t),
                    "noise": lambda: (p - noise, clamped / snr, p),
                    "data": lambda: (p - x0, clamped, (x_t - alpha * p) / sigma),
                    "score": lambda: (p * sigma + noise, clamped / snr, -sigma * p),
                }[target]()
                loss = mean((weight if weighting == "min_snr" else 1) * error**2)
                loss.sum().backward()
                name = f"ddpm_{schedule}.{target}.{weighting}"
                tensors |= {f"{name}.loss": loss.detach(), f"{name}.gradient": p.grad}
                tensors[f"ddpm_{schedule}.{target}.error"] = mean((noise - eps) ** 2).detach()
    return tensors


def chains(generator):
    """Ancestral sampling on the cosine schedule, 40 steps."""
    tensors = {}
    times = [int(round(i * 999 / 39)) for i in range(40)]
    start = torch.randn(1, 1, 4, 4, dtype=torch.float64, generator=generator)
    noises = torch.randn(40, 1, 1, 4, 4, dtype=torch.float64, generator=generator)
    tensors |= {"chain.start": start, "chain.noises": noises}
    for target, kind in (("noise", "epsilon"), ("data", "sample"), ("velocity", "v_prediction")):
        scheduler = scheduler_of("cosine", prediction_type=kind)
        scheduler.set_timesteps(timesteps=list(reversed(times)))
        # of a step only the mean and the deviation are wanted: diffusers' own noise is taken out
        x = start
        for i, t in enumerate(scheduler.timesteps):
            answer = 0.8 * torch.sin(x + 0.001 * float(t))
            ends = []
            for seed in (1, 1):
                ends.append(
                    scheduler.step(
                        answer, t, x, generator=torch.Generator().manual_seed(seed)
                    ).prev_sample
                )
            assert torch.equal(*ends)
            drawn = torch.randn(
                x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
            )
            deviation = scheduler._get_variance(t).sqrt() if int(t) > 0 else 0
            x = ends[0] - deviation * drawn + deviation * noises[i]
        tensors[f"chain.{target}"] = x
    return tensors


def main():
    generator = torch.Generator().manual_seed(21)
    tensors = continuous_cases(generator) | discrete_cases(generator) | chains(generator)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.double().contiguous() for key, value in tensors.items()},
        folder / "matching.safetensors",
    )


if __name__ == "__main__":
    main()
