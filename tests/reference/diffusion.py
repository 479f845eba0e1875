"""Schedules, sampler steps and the variational bound by other libraries, in float64.

Oracles: numpy (the DDPM schedule), diffusers' DDPMScheduler and FlowMatchEulerDiscreteScheduler,
torch.distributions. Writes diffusion.safetensors into the folder given as the first argument.
"""

import math
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from safetensors.torch import save_file

N = 64
RESPACED = 250
FLOW_STEPS = 12
SHIFT = 2.0


def schedule():
    betas = np.linspace(1e-4, 2e-2, 1000, dtype=np.float64)
    bar = np.cumprod(1 - betas)
    before = np.append(1.0, bar[:-1])
    variance = betas * (1 - before) / (1 - bar)
    return {
        "alpha_bar": bar,
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.append(variance[1], variance[1:])),
        "posterior_data_weight": betas * np.sqrt(before) / (1 - bar),
        "posterior_state_weight": (1 - before) * np.sqrt(1 - betas) / (1 - bar),
    }


def network(x, t):
    """Any smooth function will do: both sides evaluate the same one."""
    return 0.8 * torch.sin(x + 0.001 * t), torch.cos(2 * x - 0.002 * t)


def ddpm_chain(times, variance_type, generator):
    scheduler = DDPMScheduler(
        beta_schedule="linear", clip_sample=False, variance_type=variance_type
    )
    # diffusers keeps its tables in float32; the same formulas are wanted in float64.
    scheduler.betas = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(timesteps=list(reversed(times)))
    x = torch.randn(1, 1, 8, N // 8, dtype=torch.float64, generator=generator)
    start, noises = x, []
    for t in scheduler.timesteps:
        noise, variance = network(x, float(t))
        output = torch.cat([noise, variance], 1) if variance_type == "learned_range" else noise
        state = generator.get_state()
        noises.append(torch.randn(x.shape, dtype=torch.float64, generator=generator))
        generator.set_state(state)
        x = scheduler.step(output, t, x, generator=generator).prev_sample
        torch.randn(1, generator=generator)
    return start.flatten(), torch.stack(noises).flatten(1), x.flatten()


def flow_chain(generator):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / FLOW_STEPS, FLOW_STEPS))
    x = torch.randn(N, generator=generator)
    start, times = x, []
    for i, t in enumerate(scheduler.timesteps):
        times.append(float(scheduler.sigmas[i]))
        x = scheduler.step(network(x, 1000 * times[-1])[0], t, x).prev_sample
    return start, torch.tensor(times), x


def bound(generator):
    """KL(q(x_{t-1} | x_t, x_0) || p) in bits from torch.distributions, steps 1, 40, 500, 999."""
    table = {key: torch.from_numpy(value) for key, value in schedule().items()}
    steps = torch.tensor([1, 40, 500, 999])
    x0, noise, guess, head = torch.randn(4, 4, 2, 4, 4, dtype=torch.float64, generator=generator)
    at = {key: value[steps].view(-1, 1, 1, 1) for key, value in table.items()}
    bar = at["alpha_bar"]
    x_t = bar.sqrt() * x0 + (1 - bar).sqrt() * noise
    guessed = (x_t - (1 - bar).sqrt() * guess) / bar.sqrt()
    state = at["posterior_state_weight"] * x_t
    largest = torch.from_numpy(np.log(np.linspace(1e-4, 2e-2, 1000)))[steps].view(-1, 1, 1, 1)
    share = (head + 1) / 2
    log_variance = share * largest + (1 - share) * at["posterior_log_variance_clipped"]
    truth = torch.distributions.Normal(
        at["posterior_data_weight"] * x0 + state, at["posterior_variance"].sqrt()
    )
    model = torch.distributions.Normal(
        at["posterior_data_weight"] * guessed + state, (0.5 * log_variance).exp()
    )
    kl = torch.distributions.kl_divergence(truth, model).flatten(1).mean(1) / math.log(2)
    loss = (noise - guess).square().flatten(1).mean(1) + kl
    return {
        "bound.steps": steps.double(),
        "bound.x0": x0,
        "bound.noise": noise,
        "bound.guess": guess,
        "bound.head": head,
        "bound.x_t": x_t,
        "bound.loss": loss,
    }


def main():
    generator = torch.Generator().manual_seed(7)
    tensors = {key: torch.from_numpy(value) for key, value in schedule().items()}
    respaced = [int(round(i * (999 / (RESPACED - 1)))) for i in range(RESPACED)]
    for name, times, kind in (
        ("respaced.learned", respaced, "learned_range"),
        ("respaced.plain", respaced, "fixed_small"),
        ("full.learned", list(range(1000)), "learned_range"),
    ):
        start, noises, end = ddpm_chain(times, kind, generator)
        tensors |= {f"{name}.start": start, f"{name}.noises": noises, f"{name}.end": end}
    start, times, end = flow_chain(generator)
    tensors |= {"flow.start": start.double(), "flow.times": times.double(), "flow.end": end.double()}
    tensors |= bound(generator)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    save_file(tensors, folder / "diffusion.safetensors")


if __name__ == "__main__":
    main()
