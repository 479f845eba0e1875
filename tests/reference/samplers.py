"""Whole trajectories of sampling methods by other libraries, in float64.

Oracles: diffusers' DDIMScheduler and DPMSolverMultistepScheduler, torchdiffeq's dopri5, and SiT's
stochastic samplers written out in their own direction of time (0 noise, 1 data). Writes
samplers.safetensors into the folder given as the first argument.
"""

import pathlib
import sys

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from safetensors.torch import save_file
from torchdiffeq import odeint

N = 24
ROWS = 3
SDE_STEPS = 12
SIZE = 0.1
PATHS = ("linear", "gvp", "vp")
FORMS = ("constant", "sbdm", "sigma", "linear", "decreasing", "increasing-decreasing")
ENDS = ("none", "mean", "euler", "tweedie")


def network(x, t):
    """Any smooth function will do: both sides evaluate the same one."""
    return 0.8 * torch.sin(x + t)


def exact_tables(scheduler):
    """diffusers keeps its tables in float32; the same formulas are wanted in float64."""
    if scheduler.config.beta_schedule == "linear":
        scheduler.betas = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    else:
        bar = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
        scheduler.betas = torch.from_numpy(np.minimum(1 - bar[1:] / bar[:-1], 0.999))
    scheduler.alphas_cumprod = (1 - scheduler.betas).cumprod(0)
    return scheduler


def ddim(spacing, eta, steps, generator):
    scheduler = exact_tables(
        DDIMScheduler(
            beta_schedule="linear", clip_sample=False, timestep_spacing=spacing, steps_offset=0
        )
    )
    scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(steps)
    x = torch.randn(N, dtype=torch.float64, generator=generator)
    start, noises = x, []
    for t in scheduler.timesteps:
        noises.append(torch.randn(N, dtype=torch.float64, generator=generator))
        out = network(x, 0.001 * float(t))
        x = scheduler.step(out, int(t), x, eta=eta, variance_noise=noises[-1]).prev_sample
    return {"start": start, "noises": torch.stack(noises), "end": x}


def dpm(generator, steps, schedule="linear", target="epsilon", **options):
    scheduler = exact_tables(
        DPMSolverMultistepScheduler(
            beta_schedule=schedule,
            prediction_type=target,
            algorithm_type="dpmsolver++",
            solver_order=2,
            solver_type="midpoint",
            final_sigmas_type="zero",
            **options,
        )
    )
    scheduler.set_timesteps(steps)
    flow = options.get("use_flow_sigmas", False)
    x = torch.randn(N, dtype=torch.float64, generator=generator)
    start = x
    for i, t in enumerate(scheduler.timesteps):
        time = float(scheduler.sigmas[i]) if flow else 0.001 * float(t)
        x = scheduler.step(network(x, time), t, x).prev_sample
    return {"start": start, "end": x.double()}


def dopri5(rows, rtol, atol, generator):
    """Rows of very different size, so that one step for all is another than one for each."""
    x = torch.randn(rows, N, dtype=torch.float64, generator=generator)
    x *= torch.tensor([0.2, 1.0, 6.0], dtype=torch.float64)[:rows, None]
    calls = 0

    def field(t, x):
        nonlocal calls
        calls += 1
        return 3 * torch.cos(2 * x + 5 * t) - x

    times = torch.tensor([1.0, 0.0], dtype=torch.float64)
    end = odeint(field, x, times, method="dopri5", rtol=rtol, atol=atol)[-1]
    taken = torch.tensor([float(calls)])
    exact = odeint(field, x, times, method="dopri5", rtol=1e-11, atol=1e-11)[-1]
    return {"start": x, "end": end, "exact": exact, "calls": taken}


def path(kind, s):
    """alpha, sigma, their derivatives, and alpha's relative one, at SiT's time s."""
    if kind == "linear":
        return s, 1 - s, 1.0, -1.0
    if kind == "gvp":
        half = np.pi / 2
        return np.sin(half * s), np.cos(half * s), half * np.cos(half * s), -half * np.sin(half * s)
    log = -0.25 * (1 - s) ** 2 * 19.9 - 0.5 * (1 - s) * 0.1
    slope = 0.5 * (1 - s) * 19.9 + 0.05
    alpha = np.exp(log)
    sigma = np.sqrt(1 - np.exp(2 * log))
    return alpha, sigma, alpha * slope, -np.exp(2 * log) * slope / sigma


def diffusion(form, kind, s, norm):
    alpha, sigma, d_alpha, d_sigma = path(kind, s)
    if form == "constant":
        return norm
    if form == "sbdm":
        if kind == "vp":
            return norm * 0.5 * (0.1 + (1 - s) * 19.9)
        return norm * (d_alpha / alpha * sigma**2 - sigma * d_sigma)
    if form == "sigma":
        return norm * sigma
    if form == "linear":
        return norm * (1 - s)
    if form == "decreasing":
        return 0.25 * (norm * np.cos(np.pi * s) + 1) ** 2
    return norm * np.sin(np.pi * s) ** 2


def sit(kind, form, end, method, norm, generator):
    """A velocity model in SiT's direction of time; its velocity is minus the one of t = 1 - s."""

    def velocity(x, s):
        return -network(x, 1 - s)

    def score(x, s):
        alpha, sigma, d_alpha, d_sigma = path(kind, s)
        ratio = alpha / d_alpha
        return (ratio * velocity(x, s) - x) / (sigma**2 - ratio * d_sigma * sigma)

    def drift(x, s):
        return velocity(x, s) + diffusion(form, kind, s, norm) * score(x, s)

    first = 1e-3 if form == "sbdm" and kind != "vp" else 0.0
    last = 1 - (1e-3 if kind == "vp" else 0.0) if end == "none" else 1 - SIZE
    count = SDE_STEPS + 1 if end == "none" else SDE_STEPS
    times = np.linspace(first, last, count)
    step = times[1] - times[0]
    x = torch.randn(N, dtype=torch.float64, generator=generator)
    start, noises = x, []
    for i, s in enumerate(times[:-1]):
        noises.append(torch.randn(N, dtype=torch.float64, generator=generator))
        kick = float(np.sqrt(2 * diffusion(form, kind, s, norm) * step)) * noises[-1]
        if method == "em":
            x = x + drift(x, s) * step + kick
            continue
        x = x + kick
        here = drift(x, s)
        if end == "none" and i + 2 == len(times):  # the published form would ask at the data end
            x = x + step * here
        else:
            x = x + 0.5 * step * (here + drift(x + step * here, times[i + 1]))
    if end == "mean":
        x = x + drift(x, last) * SIZE
    elif end == "euler":
        x = x + velocity(x, last) * SIZE
    elif end == "tweedie":
        alpha, sigma = path(kind, last)[:2]
        x = x / alpha + sigma**2 / alpha * score(x, last)
    return {"start": start, "noises": torch.stack(noises), "end": x}


def main():
    generator = torch.Generator().manual_seed(11)
    tensors = {}

    def add(name, parts):
        for key, value in parts.items():
            tensors[f"{name}.{key}"] = value.double().contiguous()

    for spacing in ("leading", "trailing"):
        for eta in (0.0, 0.6, 1.0):
            add(f"ddim.{spacing}.{eta:g}", ddim(spacing, eta, 20, generator))
    for target in ("epsilon", "v_prediction", "sample"):
        options = {"timestep_spacing": "trailing"}
        add(f"dpm.linear.{target}", dpm(generator, 20, "linear", target, **options))
        add(f"dpm.cosine.{target}", dpm(generator, 20, "squaredcos_cap_v2", target, **options))
    add("dpm.flow", dpm(generator, 16, use_flow_sigmas=True))
    for name, rtol, atol in (("published", 1e-3, 1e-6), ("tight", 1e-7, 1e-9)):
        add(f"dopri5.{name}", dopri5(ROWS, rtol, atol, generator))
    for kind in PATHS:
        for form in FORMS:
            for end in ENDS:
                for method in ("em", "heun"):
                    add(f"sit.{kind}.{form}.{end}.{method}",
                        sit(kind, form, end, method, 0.7, generator))
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "samplers.safetensors")


if __name__ == "__main__":
    main()
