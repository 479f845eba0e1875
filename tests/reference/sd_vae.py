"""Oracle for the autoencoder of Stable Diffusion: diffusers' AutoencoderKL on seeded weights of
reduced widths. Writes the network in the three published spellings (small.safetensors,
small.deprecated.bin, small.ckpt, small.ldm.safetensors) and one of the published size
(full.safetensors), sd_vae.safetensors with inputs and outputs,
names.json with the tensors of the published size in each spelling, and a latent cache in REPA's
layout (vae-sd) into the folder given as the first argument."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

LEVELS = 4


def config(widths, sample_size):
    """sd-vae-ft-ema's and -mse's, but for the widths and the size of tiles."""
    return dict(in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2,
                norm_num_groups=32, act_fn="silu", sample_size=sample_size,
                block_out_channels=list(widths), down_block_types=["DownEncoderBlock2D"] * LEVELS,
                up_block_types=["UpDecoderBlock2D"] * LEVELS)


def fill(vae, generator):
    """Every tensor far from its initial value; first norms that see variances near their eps, two
    channels of logvar beyond where it is clamped."""
    def normal(shape, spread, mean=0.0):
        return torch.randn(shape, generator=generator) * spread + mean

    weights = {}
    for name, value in vae.state_dict().items():
        if "norm" in name:
            weights[name] = normal(value.shape, 0.3, 1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            weights[name] = normal(value.shape, 0.3)
        else:
            weights[name] = normal(value.shape, 1.3 * value[0].numel() ** -0.5)
    for half in ("encoder", "decoder"):
        weights[f"{half}.conv_in.weight"] *= 0.01
        weights[f"{half}.conv_in.bias"] *= 0.01
    weights["quant_conv.bias"][5] = 40.0
    weights["quant_conv.bias"][6] = -60.0
    vae.load_state_dict(weights)
    return weights


def deprecated_names(weights):
    """The attention's names before diffusers 0.15."""
    out = {}
    for name, value in weights.items():
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"),
                         ("to_out.0", "proj_attn")):
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        out[name] = value
    return out


def ldm_names(weights):
    """CompVis' names; the attention's maps are convolutions."""
    out = {}
    for name, value in weights.items():
        attention = re.search(r"attentions\.0\.(to_q|to_k|to_v|to_out\.0)\.weight$", name)
        name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets\.",
                      lambda m: f"up.{LEVELS - 1 - int(m[1])}.block.", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0\.",
                      lambda m: f"up.{LEVELS - 1 - int(m[1])}.upsample.", name)
        name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
        for new, old in (("mid_block.attentions.0.", "mid.attn_1."), ("group_norm", "norm"),
                         ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"),
                         ("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out")):
            name = name.replace(new, old)
        out[name] = value[:, :, None, None] if attention else value
    return out


def same(found, expected):
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], value) for name, value in expected.items())


def check_by_diffusers(folder, weights):
    """The renamed files are what diffusers itself takes for this network."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    vae = AutoencoderKL(**config((32, 64, 96, 96), 64))
    vae.save_config(scratch)
    save_file(deprecated_names(weights), scratch / "diffusion_pytorch_model.safetensors")
    assert same(AutoencoderKL.from_pretrained(
        scratch, low_cpu_mem_usage=False).state_dict(), weights)
    shutil.rmtree(scratch)
    prefixed = {f"first_stage_model.{k}": v for k, v in ldm_names(weights).items()}
    assert same(convert_ldm_vae_checkpoint(prefixed, vae.config), weights)


def smooth(generator, *shape):
    """Values about in [-1, 1] with structure at several scales."""
    rows, columns = shape[-2:]
    coarse = torch.randn((*shape[:2], rows // 8, columns // 8), generator=generator) * 0.5
    fine = torch.randn(shape, generator=generator) * 0.15
    return F.interpolate(coarse, (rows, columns), mode="bicubic") + fine


def bytes_of(images):
    """How DiT and SiT write images."""
    return torch.clamp(127.5 * images + 128.0, 0, 255).to(torch.uint8)


def main(folder):
    folder = Path(folder)
    generator = torch.Generator().manual_seed(23)
    vae = AutoencoderKL(**config((32, 64, 96, 96), 64)).eval()
    weights = fill(vae, generator)
    check_by_diffusers(folder, weights)
    save_file(weights, folder / "small.safetensors")
    torch.save(deprecated_names(weights), folder / "small.deprecated.bin")
    ldm = {k: v.contiguous() for k, v in ldm_names(weights).items()}
    whole = {f"first_stage_model.{k}": v for k, v in ldm.items()}
    whole["model.diffusion_model.out.0.weight"] = torch.ones(3)
    torch.save({"state_dict": whole, "global_step": 840000, "epoch": 0}, folder / "small.ckpt")
    save_file({**ldm, "loss.logvar": torch.zeros(())}, folder / "small.ldm.safetensors")

    pixels = bytes_of(smooth(generator, 3, 3, 32, 48))
    images = pixels / 127.5 - 1
    latents = smooth(generator, 3, 4, 8, 16)[:, :, :4, :6].contiguous() * 2
    large = smooth(generator, 1, 3, 72, 104)
    large_latents = smooth(generator, 1, 4, 16, 16)[:, :, :9, :13].contiguous() * 2
    tensors = {"pixels": pixels, "images": images, "latents": latents, "large": large,
               "large_latents": large_latents}
    with torch.no_grad():
        posterior = vae.encode(images).latent_dist
        tensors |= {"mean": posterior.mean, "logvar": posterior.logvar, "std": posterior.std,
                    "scaled": posterior.mode() * vae.config.scaling_factor,
                    "decoded": vae.decode(latents).sample}
        tensors["decoded.bytes"] = bytes_of(
            vae.decode(latents / vae.config.scaling_factor).sample)
        cache = folder / "vae-sd" / "00000"
        cache.mkdir(parents=True, exist_ok=True)
        labels = []
        for i, moments in enumerate(torch.cat([posterior.mean, posterior.std], 1)):
            name = f"img-mean-std-{i:08d}.npy"
            numpy.save(cache / name, moments.numpy())
            labels.append([f"00000/{name}", i % 2])
        (folder / "vae-sd" / "dataset.json").write_text(json.dumps({"labels": labels}))
        for tiled in (False, True):
            vae.use_tiling = tiled
            found = vae.encode(large).latent_dist
            kind = "tiled" if tiled else "whole"
            tensors |= {f"{kind}.mean": found.mean, f"{kind}.logvar": found.logvar,
                        f"{kind}.decoded": vae.decode(large_latents).sample}
        # Tiles of the published size, several both ways.
        wide = AutoencoderKL(**config((32, 64, 96, 96), 256)).eval()
        wide.load_state_dict(weights)
        wide.use_tiling = True
        tensors["wide"] = smooth(generator, 1, 3, 384, 512)
        tensors["wide_latents"] = smooth(generator, 1, 4, 48, 64) * 2
        tensors["wide.mean"] = wide.encode(tensors["wide"]).latent_dist.mean
        tensors["wide.decoded"] = wide.decode(tensors["wide_latents"]).sample
        # The published widths: one head of 512, norms of 4 to 16 channels a group.
        full = AutoencoderKL(**config((128, 256, 512, 512), 256)).eval()
        save_file(fill(full, generator), folder / "full.safetensors")
        tensors["full"] = smooth(generator, 1, 3, 64, 64)
        tensors["full_latents"] = smooth(generator, 1, 4, 8, 8) * 2
        tensors["full.mean"] = full.encode(tensors["full"]).latent_dist.mean
        tensors["full.decoded"] = full.decode(tensors["full_latents"]).sample
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "sd_vae.safetensors")

    # The published size, without memory for the values.
    with torch.device("meta"):
        published = AutoencoderKL(**config((128, 256, 512, 512), 256)).state_dict()
    names = {layout: {name: list(value.shape) for name, value in renamed.items()}
             for layout, renamed in (("diffusers", published),
                                     ("deprecated", deprecated_names(published)),
                                     ("ldm", ldm_names(published)))}
    (folder / "names.json").write_text(json.dumps(names))


if __name__ == "__main__":
    main(sys.argv[1])
