"""The networks of bench_network.cpp in Python: DiT/SiT as its users write it in PyTorch.

Takes one command per line: "step N", "train N", "score N", "sample N" are answered with the
milliseconds of each of the N repetitions, "memory" with the peak of the process and with what it
held before the network existed, in MB. Arguments: network, threads, "eager" or "compile". Eager
takes torch's defaults as the published training scripts do (AdamW, clip_grad_norm_, an average
parameter by parameter); compile takes torch's fused and multi-tensor forms of them.
"""

import copy
import math
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

QUICK = dict(depth=4, heads=2, patch=4, channels=1, side=28, classes=10, batch=64, align_width=112)
LATENT = dict(depth=12, channels=4, side=32, classes=1000, align_hidden=2048, align_width=768)
NETWORKS = {
    "d64": dict(width=64, align_hidden=256, **QUICK),
    "d96": dict(width=96, align_hidden=384, **QUICK),
    "S/4": dict(width=384, heads=6, patch=4, batch=16, **LATENT),
    "S/2": dict(width=384, heads=6, patch=2, batch=8, **LATENT),
    "B/4": dict(width=768, heads=12, patch=4, batch=16, **LATENT),
}


def align_depth(settings):
    return min(max(settings["depth"] // 3, 1), 8)


def modulate(x, shift, scale):
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate1.unsqueeze(1) * self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + gate2.unsqueeze(1) * self.mlp(modulate(self.norm2(x), shift2, scale2))


class Transformer(nn.Module):
    def __init__(self, settings):
        super().__init__()
        width, patch, channels = settings["width"], settings["patch"], settings["channels"]
        hidden, aligned = settings["align_hidden"], settings["align_width"]
        self.patch, self.channels, self.grid = patch, channels, settings["side"] // patch
        self.align_depth = align_depth(settings)
        self.x_embedder = nn.Conv2d(channels, width, patch, stride=patch)
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid ** 2, width), requires_grad=False)
        self.t_embedder = nn.Sequential(
            nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.y_embedder = nn.Embedding(settings["classes"] + 1, width)
        self.blocks = nn.ModuleList(Block(width, settings["heads"]) for _ in range(settings["depth"]))
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.adaLN_final = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.linear = nn.Linear(width, patch * patch * channels)
        self.projector = nn.Sequential(
            nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, aligned))

    def forward(self, x, t, y, with_projection=False):
        x = self.x_embedder(x).flatten(2).transpose(1, 2) + self.pos_embed
        f = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        angles = t[:, None].float() * f[None]
        c = self.t_embedder(torch.cat([angles.cos(), angles.sin()], -1)) + self.y_embedder(y)
        projected = None
        for i, block in enumerate(self.blocks):
            x = block(x, c)
            if with_projection and i + 1 == self.align_depth:
                projected = self.projector(x)
        shift, scale = self.adaLN_final(c).chunk(2, dim=1)
        x = self.linear(modulate(self.norm_final(x), shift, scale))
        x = x.reshape(-1, self.grid, self.grid, self.patch, self.patch, self.channels)
        x = torch.einsum("nhwpqc->nchpwq", x).reshape(
            -1, self.channels, self.grid * self.patch, self.grid * self.patch)
        return (x, projected) if with_projection else x


class Bench:
    def __init__(self, settings, compiled):
        self.network = Transformer(settings)
        self.compiled = compiled
        self.forward = torch.compile(self.network, dynamic=False) if compiled else self.network
        self.batch, self.classes = settings["batch"], settings["classes"]
        side = settings["side"]
        self.x = torch.randn(self.batch, settings["channels"], side, side)
        self.target = torch.randn_like(self.x)
        self.t = torch.rand(self.batch)
        self.y = torch.randint(0, self.classes, (self.batch,))
        tokens = (side // settings["patch"]) ** 2
        self.visual = torch.randn(self.batch, tokens, settings["align_width"])
        self.average = None

    def prepare_training(self):
        """The optimizer and the average exist once training begins, as in a training script."""
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.averages = list(self.average.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, weight_decay=0.0, fused=True if self.compiled else None)

    def step(self):
        if self.average is None:
            self.prepare_training()
        noise = torch.randn_like(self.x)
        t = torch.rand(self.batch)
        t4 = t.view(-1, 1, 1, 1)
        x_t = (1 - t4) * self.x + t4 * noise
        prediction, projected = self.forward(x_t, t, self.y, with_projection=True)
        denoise = (prediction - (noise - self.x)).square().mean(dim=(1, 2, 3)).mean()
        aligned = -(F.normalize(self.visual, dim=-1) * F.normalize(projected, dim=-1)).sum(-1).mean()
        loss = denoise + 0.5 * aligned
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            if self.compiled:
                torch._foreach_lerp_(self.averages, list(self.network.parameters()), 1e-4)
            else:
                for average, parameter in zip(self.averages, self.network.parameters()):
                    average.mul_(0.9999).add_(parameter, alpha=1e-4)

    def train(self):
        self.network.zero_grad(set_to_none=True)
        F.mse_loss(self.forward(self.x, self.t, self.y), self.target).backward()

    def score(self):
        with torch.no_grad():
            return (self.forward(self.x, self.t, self.y) - self.target).square().mean((1, 2, 3))

    def sample(self):
        half = self.batch // 2
        with torch.no_grad():
            x = self.x[:half]
            y = torch.cat([self.y[:half], torch.full((half,), self.classes)])
            v = self.forward(torch.cat([x, x]), torch.full((self.batch,), 0.5), y)
            conditional, null = v.chunk(2)
            return x - (null + 1.5 * (conditional - null)) * 0.02


def memory(field):
    """VmHWM or VmRSS of this process in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":")) / 1024


def main():
    torch.set_num_threads(int(sys.argv[2]))
    torch.manual_seed(0)
    torch.ones(1).add_(1)
    before = memory("VmRSS")
    bench = Bench(NETWORKS[sys.argv[1]], sys.argv[3] == "compile")
    print("ready", sum(p.numel() for p in bench.network.parameters()), flush=True)
    for line in sys.stdin:
        what, *count = line.split()
        if what == "memory":
            print(memory("VmHWM"), before, flush=True)
            continue
        times = []
        for _ in range(int(count[0])):
            start = time.perf_counter()
            getattr(bench, what)()
            times.append(1e3 * (time.perf_counter() - start))
        print(*times, flush=True)
    # What torch.compile started in the background is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
