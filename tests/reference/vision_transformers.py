"""Oracle for MAE and MoCo v3: timm's VisionTransformer, used as REPA uses it, and transformers'
ViTMAEModel, on seeded weights of small width. Writes training checkpoints in the published
containers (mae.pth, mae.training.pth, mocov3.pth.tar, mocov3.misnumbered.pth.tar), the names of
transformers and timm (mae.transformers.safetensors, *.timm.safetensors) and
vision_transformers.safetensors into the folder given as the first argument."""

import argparse
import shutil
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from transformers import ViTMAEConfig, ViTMAEForPreTraining

# width, blocks, heads: none as in a published size; MoCo v3's misnumbered layers lie in blocks 13
# and 14.
CASES = {"mae": (192, 3, 3), "mocov3": (96, 15, 4)}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def sine_positions(width, side, columns_first):
    """Fixed positions with a zero row for the class token: MAE writes the column first, MoCo v3 the
    row."""
    omega = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    place = torch.arange(side, dtype=torch.float64)
    row, column = (x.flatten().outer(omega) for x in torch.meshgrid(place, place, indexing="ij"))
    first, second = (column, row) if columns_first else (row, column)
    table = torch.cat([first.sin(), first.cos(), second.sin(), second.cos()], 1)
    return torch.cat([torch.zeros(1, width), table.float()]).unsqueeze(0)


def encoder_weights(case, generator):
    """A state dict under timm's names, every tensor but the positions far from its initial value."""
    width, depth, _ = CASES[case]

    def normal(*shape, spread, mean=0.0):
        return torch.randn(shape, generator=generator) * spread + mean

    w = {"cls_token": normal(1, 1, width, spread=0.5),
         "pos_embed": sine_positions(width, 14, case == "mae")}

    def linear(name, out, inside):
        w[f"{name}.weight"] = normal(out, inside, spread=1.5 * inside ** -0.5)
        w[f"{name}.bias"] = normal(out, spread=0.3)

    def norm(name):
        w[f"{name}.weight"] = normal(width, spread=0.3, mean=1.0)
        w[f"{name}.bias"] = normal(width, spread=0.3)

    w["patch_embed.proj.weight"] = normal(width, 3, 16, 16, spread=768 ** -0.5)
    w["patch_embed.proj.bias"] = normal(width, spread=0.3)
    for i in range(depth):
        norm(f"blocks.{i}.norm1")
        linear(f"blocks.{i}.attn.qkv", 3 * width, width)
        linear(f"blocks.{i}.attn.proj", width, width)
        norm(f"blocks.{i}.norm2")
        linear(f"blocks.{i}.mlp.fc1", 4 * width, width)
        linear(f"blocks.{i}.mlp.fc2", width, 4 * width)
    norm("norm")
    return w


def timm_model(case, weights, side):
    """At a fixed size as REPA builds it: the stored positions are resampled before loading."""
    width, depth, heads = CASES[case]
    model = VisionTransformer(img_size=16 * side, patch_size=16, embed_dim=width, depth=depth,
                              num_heads=heads, num_classes=0, dynamic_img_size=side == 14)
    resampled = resample_abs_pos_embed(weights["pos_embed"], [side, side])
    model.load_state_dict({**weights, "pos_embed": resampled})
    return model.eval()


def tokens_of_last_block(model, x):
    """REPA's tokens of MAE: timm's forward_features without the last norm."""
    return model.blocks(model._pos_embed(model.patch_embed(x)))


def layer_names(weights):
    """The names of the published files of transformers, encoder and decoder alike."""
    out = {}
    for name, value in weights.items():
        if ".attn.qkv." in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3)):
                out[name.replace("attn.qkv", f"attention.attention.{part}")] = rows.clone()
            continue
        for old, new in (("attn.proj", "attention.output.dense"), ("norm1", "layernorm_before"),
                         ("norm2", "layernorm_after"), ("mlp.fc1", "intermediate.dense"),
                         ("mlp.fc2", "output.dense")):
            name = name.replace(old, new)
        out[name] = value
    return out


def transformers_names(weights):
    out = {}
    for name, value in layer_names(weights).items():
        if name in ("cls_token", "pos_embed") or name.startswith("patch_embed."):
            name = name.replace("pos_embed", "position_embeddings")
            name = "vit.embeddings." + name.replace("patch_embed.proj", "patch_embeddings.projection")
        elif name.startswith("blocks."):
            name = "vit.encoder.layer." + name.removeprefix("blocks.")
        elif name.startswith("norm."):
            name = "vit.layernorm." + name.removeprefix("norm.")
        else:
            name = "decoder." + name.replace("decoder_blocks", "decoder_layers")
        out[name] = value.clone().contiguous()
    return out


def decoder_weights(generator):
    """What the authors' files of the whole model add, with one block of width 32."""
    def normal(*shape):
        return torch.randn(shape, generator=generator) * 0.02

    w = {"mask_token": normal(1, 1, 32), "decoder_pos_embed": sine_positions(32, 14, True)}
    block = "decoder_blocks.0"
    for name, shape in (("decoder_embed", (32, 192)), (f"{block}.norm1", (32,)),
                        (f"{block}.attn.qkv", (96, 32)), (f"{block}.attn.proj", (32, 32)),
                        (f"{block}.norm2", (32,)), (f"{block}.mlp.fc1", (128, 32)),
                        (f"{block}.mlp.fc2", (32, 128)), ("decoder_norm", (32,)),
                        ("decoder_pred", (768, 32))):
        w[f"{name}.weight"] = normal(*shape)
        w[f"{name}.bias"] = normal(shape[0])
    return w


def transformers_model(folder, weights):
    """Loaded by transformers itself from a file under the published names, with the authors' eps."""
    width, depth, heads = CASES["mae"]
    config = ViTMAEConfig(hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
                          intermediate_size=4 * width, layer_norm_eps=1e-6, mask_ratio=0.0,
                          decoder_hidden_size=32, decoder_num_hidden_layers=1,
                          decoder_num_attention_heads=2, decoder_intermediate_size=128)
    scratch = folder / "scratch"
    scratch.mkdir()
    config.save_pretrained(scratch)
    save_file(weights, scratch / "model.safetensors", {"format": "pt"})
    model, report = ViTMAEForPreTraining.from_pretrained(scratch, output_loading_info=True,
                                                         attn_implementation="eager")
    shutil.rmtree(scratch)
    assert not any(report.values()), report
    return model.vit.eval()


def transformers_tokens(model, x):
    """All patches kept, in their order."""
    noise = torch.arange(x.shape[2] * x.shape[3] // 256).float().expand(x.shape[0], -1)
    return model(x, noise=noise, interpolate_pos_encoding=True).last_hidden_state


def optimizer_state(generator):
    layer = torch.nn.Linear(96, 8)
    optimizer = torch.optim.AdamW(layer.parameters())
    with torch.enable_grad():
        layer(torch.randn((4, 96), generator=generator)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def mocov3_checkpoint(weights, generator, misnumbered):
    """A training checkpoint: two encoders with heads, a predictor, an optimizer; the base encoder is
    the one that counts."""
    state = {}
    for name, value in weights.items():
        if misnumbered:
            for right, wrong in (("blocks.13.norm1.", "blocks.13.norm13."),
                                 ("blocks.13.mlp.fc1.", "blocks.13.mlp.fc13."),
                                 ("blocks.14.norm2.", "blocks.14.norm14."),
                                 ("blocks.14.mlp.fc2.", "blocks.14.mlp.fc14.")):
                name = name.replace(right, wrong)
        state[f"module.base_encoder.{name}"] = value
        state[f"module.momentum_encoder.{name}"] = -value
    head = torch.nn.Sequential(torch.nn.Linear(96, 8, bias=False), torch.nn.BatchNorm1d(8),
                               torch.nn.ReLU(), torch.nn.Linear(8, 4, bias=False))
    for part in ("base_encoder.head", "momentum_encoder.head", "predictor"):
        for name, value in head.state_dict().items():
            state[f"module.{part}.{name}"] = value
    return {"epoch": 300, "arch": "vit_small", "state_dict": state,
            "optimizer": optimizer_state(generator),
            "scaler": {"scale": 65536.0, "_growth_tracker": 3}}


def main(folder):
    folder = Path(folder)
    generator = torch.Generator().manual_seed(23)
    torch.manual_seed(23)
    coarse = torch.rand((2, 3, 20, 20), generator=generator)
    images = F.interpolate(coarse, 256, mode="bicubic") * 230 + 10
    images = images + torch.randn(images.shape, generator=generator) * 12
    images = images.clamp(0, 255).to(torch.uint8)
    grey = images[:, :1, 40:68, 90:118].contiguous()

    def normalised(x):
        return (x / 255.0 - MEAN) / DEVIATION

    repa = normalised(images.float())
    small = F.interpolate(normalised(grey.expand(-1, 3, -1, -1).float()), 112, mode="bicubic")
    wide = F.interpolate(repa, (160, 240), mode="bicubic")
    whole = F.interpolate(repa[:1], 224, mode="bicubic")
    tensors = {"images": images, "grey": grey, "repa": repa, "small": small, "wide": wide,
               "whole": whole}

    encoders = {case: encoder_weights(case, generator) for case in CASES}
    with torch.no_grad():
        for case, weights in encoders.items():
            save_file(weights, folder / f"{case}.timm.safetensors")
            published = timm_model(case, weights, 16)
            tensors[f"{case}.repa.block"] = tokens_of_last_block(published, repa)
            tensors[f"{case}.repa.norm"] = published.forward_features(repa)
            tensors[f"{case}.small.norm"] = timm_model(case, weights, 7).forward_features(small)
            any_size = timm_model(case, weights, 14)
            tensors[f"{case}.wide.norm"] = any_size.forward_features(wide)
            tensors[f"{case}.whole.norm"] = any_size.forward_features(whole)
            if case == "mae":
                torch.save({"model": weights}, folder / "mae.pth")
                whole_model = {**weights, **decoder_weights(generator)}
                torch.save({"model": whole_model, "optimizer": optimizer_state(generator),
                            "epoch": 799, "scaler": {"scale": 65536.0},
                            "args": argparse.Namespace(model="mae_vit_large_patch16", mask_ratio=0.75,
                                                       output_dir=Path("out"))},
                           folder / "mae.training.pth")
                names = transformers_names(whole_model)
                save_file(names, folder / "mae.transformers.safetensors")
                theirs = transformers_model(folder, names)
                tensors["mae.transformers.whole"] = transformers_tokens(theirs, whole)
                tensors["mae.transformers.wide"] = transformers_tokens(theirs, wide)
    for ending, misnumbered in (("", False), (".misnumbered", True)):
        torch.save(mocov3_checkpoint(encoders["mocov3"], generator, misnumbered),
                   folder / f"mocov3{ending}.pth.tar")

    # The published totals, without memory for the values.
    for size, width, depth, heads, patch in (("small", 384, 12, 12, 16), ("base", 768, 12, 12, 16),
                                             ("large", 1024, 24, 16, 16),
                                             ("huge", 1280, 32, 16, 14)):
        with torch.device("meta"):
            model = VisionTransformer(embed_dim=width, depth=depth, num_heads=heads,
                                      patch_size=patch, num_classes=0)
        state = model.state_dict()
        tensors[f"total.{size}"] = torch.tensor([len(state), sum(v.numel() for v in state.values())])
    save_file({k: v.contiguous() for k, v in tensors.items()},
              folder / "vision_transformers.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
