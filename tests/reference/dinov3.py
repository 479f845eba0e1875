"""Oracle for DINOv3: transformers' DINOv3ViTModel and DINOv3ViTImageProcessor and timm's Eva with
the positions of DINOv3, on seeded weights and few blocks. Writes each network in the three published
layouts (CASE.pth, CASE.transformers.safetensors, CASE.timm.safetensors) and dinov3.safetensors into
the folder given as the first argument."""

import shutil
import sys
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.eva import checkpoint_filter_fn
from transformers import DINOv3ViTConfig, DINOv3ViTImageProcessor, DINOv3ViTModel

REGISTERS = 4
CASES = {  # width, blocks, heads, widths in the feed-forward, SwiGLU, biases of queries and values
    "mlp": (384, 2, 6, 4, False, True),
    "swiglu": (192, 3, 3, 4, True, True),
    "teacher": (256, 2, 2, 2, True, False),  # heads of 128 as in 7B
}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def authors_weights(case, generator):
    """A state dict under the authors' names, every tensor far from its initial value."""
    width, depth, heads, ratio, swiglu, biases = CASES[case]

    def normal(*shape, spread, mean=0.0):
        return torch.randn(shape, generator=generator) * spread + mean

    w = {"cls_token": normal(1, 1, width, spread=0.5),
         "storage_tokens": normal(1, REGISTERS, width, spread=0.5),
         "mask_token": normal(1, width, spread=0.5)}
    quarter = width // heads // 4
    w["rope_embed.periods"] = 100.0 ** (torch.arange(quarter) / quarter)

    def linear(name, out, inside):
        w[f"{name}.weight"] = normal(out, inside, spread=1.5 * inside ** -0.5)
        w[f"{name}.bias"] = normal(out, spread=0.3)

    def norm(name):
        w[f"{name}.weight"] = normal(width, spread=0.3, mean=1.0)
        w[f"{name}.bias"] = normal(width, spread=0.3)

    w["patch_embed.proj.weight"] = normal(width, 3, 16, 16, spread=768 ** -0.5)
    w["patch_embed.proj.bias"] = normal(width, spread=0.3)
    for i in range(depth):
        block = f"blocks.{i}"
        norm(f"{block}.norm1")
        linear(f"{block}.attn.qkv", 3 * width, width)
        if biases:  # what stands in the rows of the keys has no effect
            mask = torch.ones(3, width)
            mask[1] = 0
            w[f"{block}.attn.qkv.bias_mask"] = mask.flatten()
        else:
            del w[f"{block}.attn.qkv.bias"]
        linear(f"{block}.attn.proj", width, width)
        w[f"{block}.ls1.gamma"] = normal(width, spread=0.3, mean=0.6)
        norm(f"{block}.norm2")
        if swiglu:
            linear(f"{block}.mlp.w1", ratio * width, width)
            linear(f"{block}.mlp.w2", ratio * width, width)
            linear(f"{block}.mlp.w3", width, ratio * width)
        else:
            linear(f"{block}.mlp.fc1", ratio * width, width)
            linear(f"{block}.mlp.fc2", width, ratio * width)
        w[f"{block}.ls2.gamma"] = normal(width, spread=0.3, mean=0.6)
    norm("norm")
    if not biases:
        norm("local_cls_norm")
    return w


def transformers_names(w):
    """The names of the published files of transformers."""
    out = {}
    for name, value in w.items():
        if name.endswith(".bias_mask") or name.startswith(("rope_embed", "local_cls_norm")):
            continue
        if name == "mask_token":
            value = value.unsqueeze(0)
        name = name.replace("blocks.", "layer.").replace(".attn.proj", ".attention.o_proj")
        for old, new in (("ls1.gamma", "layer_scale1.lambda1"), ("ls2.gamma", "layer_scale2.lambda1"),
                         ("mlp.fc1", "mlp.up_proj"), ("mlp.fc2", "mlp.down_proj"),
                         ("mlp.w1", "mlp.gate_proj"), ("mlp.w2", "mlp.up_proj"),
                         ("mlp.w3", "mlp.down_proj"), ("storage_tokens", "register_tokens"),
                         ("patch_embed.proj", "patch_embeddings")):
            name = name.replace(old, new)
        if not name.startswith(("layer.", "norm.")):
            name = "embeddings." + name
        if ".attn.qkv." in name:
            for part, rows in zip("qkv", value.chunk(3)):
                if not (part == "k" and name.endswith("bias")):
                    out[name.replace("attn.qkv", f"attention.{part}_proj")] = rows.clone()
        else:
            out[name] = value
    return out


def transformers_model(folder, case, weights):
    """Loaded by transformers itself from a file under the published names."""
    width, depth, heads, ratio, swiglu, biases = CASES[case]
    config = DINOv3ViTConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
        intermediate_size=ratio * width, use_gated_mlp=swiglu, num_register_tokens=REGISTERS,
        hidden_act="silu" if swiglu else "gelu", query_bias=biases, value_bias=biases)
    scratch = folder / f"{case}.scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(scratch)
    save_file(weights, scratch / "model.safetensors", {"format": "pt"})
    model, report = DINOv3ViTModel.from_pretrained(scratch, output_loading_info=True,
                                                   attn_implementation="eager")
    shutil.rmtree(scratch)
    assert not any(report.values()), report
    return model.eval()


def timm_model(case, weights):
    width, depth, heads, ratio, swiglu, biases = CASES[case]
    kind = "vit_small_plus" if swiglu else "vit_small"
    model = timm.create_model(f"{kind}_patch16_dinov3{'_qkvb' if biases else ''}", num_classes=0,
                              embed_dim=width, depth=depth, num_heads=heads, mlp_ratio=ratio)
    model.load_state_dict(checkpoint_filter_fn(dict(weights), model))
    return model.eval()


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(19)
    coarse = torch.rand((2, 3, 24, 24), generator=generator)
    images = F.interpolate(coarse, 256, mode="bicubic") * 230 + 10
    images = images + torch.randn(images.shape, generator=generator) * 12
    images = images.clamp(0, 255).to(torch.uint8)
    processor = DINOv3ViTImageProcessor(size={"height": 256, "width": 256})
    tensors = {"images": images, "whole": processor(images, return_tensors="pt").pixel_values}
    normalised = (images / 255.0 - MEAN) / DEVIATION
    grey = images[:, :1, 40:68, 90:118].contiguous()
    tensors.update(
        grey=grey, wide=F.interpolate(normalised, (96, 160), mode="bicubic"),
        small=F.interpolate((grey.expand(-1, 3, -1, -1) / 255.0 - MEAN) / DEVIATION, 112,
                            mode="bicubic"))

    def store(name, tokens):
        tensors[f"{name}.class"] = tokens[:, 0].clone()
        tensors[f"{name}.registers"] = tokens[:, 1:1 + REGISTERS].clone()
        tensors[f"{name}.patches"] = tokens[:, 1 + REGISTERS:].clone()

    with torch.no_grad():
        for case in CASES:
            weights = authors_weights(case, generator)
            torch.save(weights, folder / f"{case}.pth")
            published = transformers_names(weights)
            save_file(published, folder / f"{case}.transformers.safetensors")
            ours = transformers_model(folder, case, published)
            theirs = timm_model(case, weights)
            save_file({k: v.contiguous() for k, v in theirs.state_dict().items()},
                      folder / f"{case}.timm.safetensors")
            for size in ("wide", "small"):
                store(f"{case}.transformers.{size}", ours(tensors[size]).last_hidden_state)
                store(f"{case}.timm.{size}", theirs.forward_features(tensors[size]))
            if case != "mlp":
                continue
            save_file(ours.state_dict(), folder / "mlp.memory.safetensors")
            store("mlp.whole", ours(tensors["whole"]).last_hidden_state)
            # The authors' files hold the periods in bfloat16.
            narrow = dict(weights)
            narrow["rope_embed.periods"] = weights["rope_embed.periods"].bfloat16()
            torch.save(narrow, folder / "mlp.periods.pth")
            ours.rope_embeddings.inv_freq.copy_(1 / narrow["rope_embed.periods"].float())
            store("mlp.periods", ours(tensors["wide"]).last_hidden_state)
            # Where the biases are zero, timm also publishes networks without them.
            for name, value in weights.items():
                if name.endswith("qkv.bias"):
                    value.zero_()
            plain = timm.create_model("vit_small_patch16_dinov3", num_classes=0, depth=2)
            plain.load_state_dict(checkpoint_filter_fn(
                {k: v for k, v in weights.items() if not k.endswith("qkv.bias")}, plain))
            save_file({k: v.contiguous() for k, v in plain.state_dict().items()},
                      folder / "mlp.plain.safetensors")
            store("mlp.plain", plain.eval().forward_features(tensors["wide"]))

        # The published totals, without memory for the values.
        for name, (width, blocks, heads, ratio, swiglu, biases) in {
                "small": (384, 12, 6, 4, False, True), "small_plus": (384, 12, 6, 4, True, True),
                "base": (768, 12, 12, 4, False, True), "large": (1024, 24, 16, 4, False, True),
                "huge_plus": (1280, 32, 20, 4, True, True),
                "7b": (4096, 40, 32, 2, True, False)}.items():
            with torch.device("meta"):
                models = [
                    DINOv3ViTModel(DINOv3ViTConfig(
                        hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads,
                        intermediate_size=ratio * width, use_gated_mlp=swiglu, query_bias=biases,
                        value_bias=biases, num_register_tokens=REGISTERS)),
                    timm.create_model(f"vit_{name}_patch16_dinov3{'_qkvb' if biases else ''}",
                                      num_classes=0)]
            for library, model in zip(("transformers", "timm"), models):
                state = model.state_dict()
                tensors[f"total.{library}.{name}"] = torch.tensor(
                    [len(state), sum(v.numel() for v in state.values())])
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "dinov3.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
