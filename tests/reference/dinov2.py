"""Oracle for DINOv2: transformers' Dinov2Model and Dinov2WithRegistersModel and timm's vision
transformers, on seeded weights and few blocks. Writes each network in the three published layouts
(CASE.pth, CASE.transformers.safetensors, CASE.timm.safetensors) and dinov2.safetensors into the
folder given as the first argument."""

import shutil
import sys
from functools import partial
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import SwiGLUPacked, resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer, _convert_dinov2
from transformers import (Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig,
                          Dinov2WithRegistersModel)

CASES = {  # width, blocks, registers, SwiGLU
    "small": (384, 2, 0, False),
    "registers": (384, 2, 4, False),
    "swiglu": (192, 3, 0, True),
    "both": (192, 2, 4, True),
}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def authors_weights(width, depth, registers, swiglu, generator):
    """A state dict under the authors' names, every tensor far from its initial value."""
    def normal(*shape, spread, mean=0.0):
        return torch.randn(shape, generator=generator) * spread + mean

    hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8 if swiglu else 4 * width
    # Positions are smooth on the grid, as trained ones are, with noise on top.
    coarse = normal(1, width, 6, 6, spread=0.6)
    smooth = F.interpolate(coarse, size=(37, 37), mode="bicubic").flatten(2).transpose(1, 2)
    positions = torch.cat([normal(1, 1, width, spread=0.5), smooth], 1)
    w = {"cls_token": normal(1, 1, width, spread=0.5),
         "pos_embed": positions + normal(1, 1370, width, spread=0.2),
         "mask_token": normal(1, width, spread=0.5)}
    if registers:
        w["register_tokens"] = normal(1, registers, width, spread=0.5)

    def linear(name, out, inside):
        w[f"{name}.weight"] = normal(out, inside, spread=1.5 * inside ** -0.5)
        w[f"{name}.bias"] = normal(out, spread=0.3)

    def norm(name):
        w[f"{name}.weight"] = normal(width, spread=0.3, mean=1.0)
        w[f"{name}.bias"] = normal(width, spread=0.3)

    w["patch_embed.proj.weight"] = normal(width, 3, 14, 14, spread=588 ** -0.5)
    w["patch_embed.proj.bias"] = normal(width, spread=0.3)
    for i in range(depth):
        block = f"blocks.{i}"
        norm(f"{block}.norm1")
        linear(f"{block}.attn.qkv", 3 * width, width)
        linear(f"{block}.attn.proj", width, width)
        w[f"{block}.ls1.gamma"] = normal(width, spread=0.3, mean=0.6)
        norm(f"{block}.norm2")
        if swiglu:
            linear(f"{block}.mlp.w12", 2 * hidden, width)
            linear(f"{block}.mlp.w3", width, hidden)
        else:
            linear(f"{block}.mlp.fc1", hidden, width)
            linear(f"{block}.mlp.fc2", width, hidden)
        w[f"{block}.ls2.gamma"] = normal(width, spread=0.3, mean=0.6)
    norm("norm")
    return w


def transformers_names(w):
    """The names of the published files of transformers."""
    out = {}
    for name, value in w.items():
        if ".attn.qkv." in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3)):
                out[name.replace("attn.qkv", f"attention.attention.{part}")] = rows
            continue
        for old, new in (("attn.proj", "attention.output.dense"), ("ls1.gamma", "layer_scale1.lambda1"),
                         ("ls2.gamma", "layer_scale2.lambda1"), ("mlp.w12", "mlp.weights_in"),
                         ("mlp.w3", "mlp.weights_out"), ("pos_embed", "position_embeddings"),
                         ("patch_embed.proj", "patch_embeddings.projection")):
            name = name.replace(old, new)
        out[name] = value
    renamed = {}
    for name, value in out.items():
        if name.startswith("blocks."):
            name = "encoder.layer." + name.removeprefix("blocks.")
        elif name.startswith("norm."):
            name = "layernorm." + name.removeprefix("norm.")
        else:
            name = "embeddings." + name
        renamed[name] = value.clone().contiguous()
    return renamed


def transformers_model(folder, case, weights):
    """Loaded by transformers itself from a file under the published names."""
    width, depth, registers, swiglu = CASES[case]
    facts = dict(hidden_size=width, num_hidden_layers=depth, num_attention_heads=width // 64,
                 image_size=518, patch_size=14, use_swiglu_ffn=swiglu)
    if registers:
        kind, config = Dinov2WithRegistersModel, Dinov2WithRegistersConfig(
            num_register_tokens=registers, **facts)
    else:
        kind, config = Dinov2Model, Dinov2Config(**facts)
    scratch = folder / f"{case}.scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(scratch)
    save_file(weights, scratch / "model.safetensors", {"format": "pt"})
    model, report = kind.from_pretrained(scratch, output_loading_info=True,
                                         attn_implementation="eager")
    shutil.rmtree(scratch)
    assert not any(report.values()), report
    return model.eval()


def timm_model(case, weights):
    width, depth, registers, swiglu = CASES[case]
    model = VisionTransformer(
        img_size=518, patch_size=14, embed_dim=width, depth=depth, num_heads=width // 64,
        init_values=1e-5, num_classes=0, reg_tokens=registers, no_embed_class=registers > 0,
        global_pool="token", dynamic_img_size=True,
        **(dict(mlp_ratio=2.66667 * 2, mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU)
           if swiglu else {}))
    model.load_state_dict(_convert_dinov2(dict(weights), model))
    return model.eval()


def repa_input(images, side):
    """Normalised, then resized, as REPA's training script prepares images for DINOv2."""
    return F.interpolate((images / 255.0 - MEAN) / DEVIATION, side, mode="bicubic")


def authors_positions(self, embeddings, height, width):
    """The interpolation of the authors' networks without registers: a scale with an offset."""
    patches = self.position_embeddings[:, 1:].transpose(1, 2).reshape(1, -1, 37, 37)
    rows, columns = height // 14, width // 14
    patches = F.interpolate(patches, mode="bicubic",
                            scale_factor=((rows + 0.1) / 37, (columns + 0.1) / 37))
    assert patches.shape[2:] == (rows, columns)
    return torch.cat([self.position_embeddings[:, :1], patches.flatten(2).transpose(1, 2)], 1)


def repa_positions(positions, grid):
    """The positions that REPA writes into the network before it uses it."""
    return resample_abs_pos_embed(positions, [grid, grid])


def main(folder):
    folder = Path(folder)
    generator = torch.Generator().manual_seed(11)
    coarse = torch.rand((2, 3, 24, 24), generator=generator)
    images = F.interpolate(coarse, 256, mode="bicubic") * 230 + 10
    images = images + torch.randn(images.shape, generator=generator) * 12
    images = images.clamp(0, 255).to(torch.uint8)
    grey = images[:, :1, 40:68, 90:118].contiguous()
    wide = repa_input(images.float(), (196, 280))
    tensors = {"images": images, "grey": grey, "wide": wide,
               "repa.224": repa_input(images.float(), 224),
               "repa.98": repa_input(grey.expand(-1, 3, -1, -1).float(), 98)}
    whole = F.interpolate(wide[:1], 518, mode="bicubic")
    tensors["whole"] = whole

    def store(name, tokens, registers):
        tensors[f"{name}.class"] = tokens[:, 0].clone()
        tensors[f"{name}.registers"] = tokens[:, 1:1 + registers].clone()
        tensors[f"{name}.patches"] = tokens[:, 1 + registers:].clone()

    with torch.no_grad():
        for case, (width, depth, registers, swiglu) in CASES.items():
            weights = authors_weights(width, depth, registers, swiglu, generator)
            torch.save(weights, folder / f"{case}.pth")
            published = transformers_names(weights)
            save_file(published, folder / f"{case}.transformers.safetensors")
            ours = transformers_model(folder, case, published)
            theirs = timm_model(case, weights)
            save_file({k: v.contiguous() for k, v in theirs.state_dict().items()},
                      folder / f"{case}.timm.safetensors")
            tokens = ours(wide).last_hidden_state
            store(f"{case}.transformers", tokens, registers)
            store(f"{case}.timm", theirs.forward_features(wide), registers)
            store(f"{case}.timm.98", theirs.forward_features(tensors["repa.98"]), registers)
            # REPA's own order: the positions of the asked grid first, then the network as it is.
            kept = ours.embeddings.interpolate_pos_encoding
            ours.embeddings.interpolate_pos_encoding = lambda *_: repa_positions(
                ours.embeddings.position_embeddings, 16)
            store(f"{case}.repa", ours(tensors["repa.224"]).last_hidden_state, registers)
            if case == "small":
                ours.embeddings.interpolate_pos_encoding = kept
                store(f"{case}.plain", ours(tensors["repa.224"]).last_hidden_state, registers)
                ours.embeddings.interpolate_pos_encoding = partial(authors_positions,
                                                                   ours.embeddings)
                store(f"{case}.authors", ours(wide).last_hidden_state, registers)
                store(f"{case}.offset", ours(tensors["repa.224"]).last_hidden_state, registers)
                ours.embeddings.interpolate_pos_encoding = kept
                store(f"{case}.whole", ours(whole).last_hidden_state, registers)

        # The published totals, without memory for the values.
        for size in ("small", "base", "large", "giant"):
            for suffix in ("", "_reg4"):
                with torch.device("meta"):
                    model = timm.create_model(f"vit_{size}_patch14{suffix}_dinov2", num_classes=0)
                state = model.state_dict()
                tensors[f"total.{size}{suffix}"] = torch.tensor(
                    [len(state), sum(v.numel() for v in state.values())])
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "dinov2.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
