"""The networks of bench_network.cpp in Python: DiT/SiT as its users write it in PyTorch.

Takes one command per line ("train N" or "score N") and answers with the milliseconds of each of
the N repetitions. Arguments: network, threads, "eager" or "compile".
"""

import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

NETWORKS = {
    "d64": dict(depth=4, width=64, heads=2, patch=4, channels=1, side=28, classes=10, batch=64),
    "d96": dict(depth=4, width=96, heads=2, patch=4, channels=1, side=28, classes=10, batch=64),
    "S/4": dict(depth=12, width=384, heads=6, patch=4, channels=4, side=32, classes=1000, batch=16),
    "S/2": dict(depth=12, width=384, heads=6, patch=2, channels=4, side=32, classes=1000, batch=8),
}


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
    def __init__(self, depth, width, heads, patch, channels, side, classes, batch):
        super().__init__()
        self.patch, self.channels, self.grid = patch, channels, side // patch
        self.x_embedder = nn.Conv2d(channels, width, patch, stride=patch)
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid ** 2, width), requires_grad=False)
        self.t_embedder = nn.Sequential(
            nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.y_embedder = nn.Embedding(classes + 1, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.adaLN_final = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.linear = nn.Linear(width, patch * patch * channels)

    def forward(self, x, t, y):
        x = self.x_embedder(x).flatten(2).transpose(1, 2) + self.pos_embed
        f = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        angles = t[:, None].float() * f[None]
        c = self.t_embedder(torch.cat([angles.cos(), angles.sin()], -1)) + self.y_embedder(y)
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.adaLN_final(c).chunk(2, dim=1)
        x = self.linear(modulate(self.norm_final(x), shift, scale))
        x = x.reshape(-1, self.grid, self.grid, self.patch, self.patch, self.channels)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(
            -1, self.channels, self.grid * self.patch, self.grid * self.patch)


def main():
    settings = NETWORKS[sys.argv[1]]
    torch.set_num_threads(int(sys.argv[2]))
    torch.manual_seed(0)
    network = Transformer(**settings)
    forward = torch.compile(network) if sys.argv[3] == "compile" else network
    batch, side = settings["batch"], settings["side"]
    x = torch.randn(batch, settings["channels"], side, side)
    target = torch.randn_like(x)
    t = torch.rand(batch)
    y = torch.randint(0, settings["classes"], (batch,))

    def train():
        network.zero_grad(set_to_none=True)
        F.mse_loss(forward(x, t, y), target).backward()

    def score():
        with torch.no_grad():
            return (forward(x, t, y) - target).square().mean((1, 2, 3))

    print("ready", sum(p.numel() for p in network.parameters()), flush=True)
    for line in sys.stdin:
        what, repetitions = line.split()
        times = []
        for _ in range(int(repetitions)):
            start = time.perf_counter()
            train() if what == "train" else score()
            times.append(1e3 * (time.perf_counter() - start))
        print(*times, flush=True)


if __name__ == "__main__":
    main()
