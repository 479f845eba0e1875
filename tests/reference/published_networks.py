"""The networks of DiT, SiT, REPA and REG as modules: the published names, shapes and equations.

Built with the arguments that the published constructors take. `head` says whose network it is:
"dit" returns all channels, "sit" drops the variances, "repa" and "reg" have none.
"""

import math

import torch
from timm.layers import PatchEmbed
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Attention
from torch import nn


def plain_norm(width):
    return nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)


def modulated(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def adaptive(width, parts):
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


def sincos(side, width, extra):
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    place = torch.arange(side * side, dtype=torch.float64)
    across, down = (place % side)[:, None] * omega, (place // side)[:, None] * omega
    grid = torch.cat([across.sin(), across.cos(), down.sin(), down.cos()], 1)
    return torch.cat([torch.zeros(extra, width, dtype=torch.float64), grid])[None].float()


class Times(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        steps = torch.arange(128, dtype=torch.float32)
        angles = t.float()[:, None] * torch.exp(-math.log(10000) * steps / 128)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], 1))


class Labels(nn.Module):
    def __init__(self, classes, width, dropout):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + (dropout > 0), width)


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1, self.norm2 = plain_norm(width), plain_norm(width)
        self.attn = Attention(width, num_heads=heads, qkv_bias=True)
        self.mlp = Mlp(width, int(width * ratio), act_layer=lambda: nn.GELU(approximate="tanh"))
        self.adaLN_modulation = adaptive(width, 6)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, 1)
        x = x + gate1[:, None] * self.attn(modulated(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(modulated(self.norm2(x), shift2, scale2))


class Final(nn.Module):
    def __init__(self, width, outputs, class_token):
        super().__init__()
        self.norm_final = plain_norm(width)
        self.linear = nn.Linear(width, outputs)
        if class_token:
            self.linear_cls = nn.Linear(width, class_token)
        self.adaLN_modulation = adaptive(width, 2)

    def forward(self, x, c):
        return modulated(self.norm_final(x), *self.adaLN_modulation(c).chunk(2, 1))


class Network(nn.Module):
    def __init__(self, head, input_size, patch_size, in_channels, hidden_size, depth, num_heads,
                 mlp_ratio, class_dropout_prob, num_classes, learn_sigma=False,
                 decoder_hidden_size=None, encoder_depth=0, z_dims=(), projector_dim=0,
                 qk_norm=False, fused_attn=True, cls_token_dim=0):
        super().__init__()
        assert not qk_norm and decoder_hidden_size in (None, hidden_size)
        assert (head in ("dit", "sit")) or not learn_sigma
        assert (cls_token_dim > 0) == (head == "reg") and fused_attn in (True, False)
        self.head, self.channels, self.patch = head, in_channels, patch_size
        self.learn_sigma, self.encoder_depth = learn_sigma, encoder_depth
        side = input_size // patch_size
        self.x_embedder = PatchEmbed(input_size, patch_size, in_channels, hidden_size)
        self.t_embedder = Times(hidden_size)
        self.y_embedder = Labels(num_classes, hidden_size, class_dropout_prob)
        self.pos_embed = nn.Parameter(sincos(side, hidden_size, int(head == "reg")),
                                      requires_grad=False)
        self.blocks = nn.ModuleList(Block(hidden_size, num_heads, mlp_ratio) for _ in range(depth))
        if head in ("repa", "reg"):
            self.projectors = nn.ModuleList(
                nn.Sequential(nn.Linear(hidden_size, projector_dim), nn.SiLU(),
                              nn.Linear(projector_dim, projector_dim), nn.SiLU(),
                              nn.Linear(projector_dim, z)) for z in z_dims)
        if head == "reg":
            self.cls_projectors2 = nn.Linear(cls_token_dim, hidden_size)
            self.wg_norm = nn.LayerNorm(hidden_size, eps=1e-6)
        outputs = patch_size ** 2 * in_channels * (2 if learn_sigma else 1)
        self.final_layer = Final(hidden_size, outputs, cls_token_dim)

    def forward(self, x, t, y, class_token=None):
        side = x.shape[-1] // self.patch
        h = self.x_embedder(x)
        if self.head == "reg":
            h = torch.cat([self.wg_norm(self.cls_projectors2(class_token))[:, None], h], 1)
        h = h + self.pos_embed
        c = self.t_embedder(t) + self.y_embedder.embedding_table(y)
        projected = None
        for i, block in enumerate(self.blocks):
            h = block(h, c)
            if i + 1 == self.encoder_depth and self.head in ("repa", "reg"):
                projected = [projector(h) for projector in self.projectors]
        h = self.final_layer(h, c)
        token = None
        if self.head == "reg":
            token, h = self.final_layer.linear_cls(h[:, 0]), h[:, 1:]
        h = self.final_layer.linear(h)
        h = h.reshape(len(x), side, side, self.patch, self.patch, -1).permute(0, 5, 1, 3, 2, 4)
        image = h.reshape(len(x), -1, side * self.patch, side * self.patch)
        if self.head == "sit" and self.learn_sigma:
            image = image[:, :self.channels]
        return image, projected, token
