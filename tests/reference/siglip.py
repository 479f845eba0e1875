"""Oracle for SigLIP: transformers' SiglipModel and timm's tower on seeded weights of a small network.
Writes the whole model, its vision tower alone, timm.safetensors and siglip.safetensors into the folder
given as the first argument."""

import json
import sys
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel

# Heads of 72 and a feed-forward of an odd width, as so400m has.
VISION = dict(hidden_size=144, intermediate_size=538, num_hidden_layers=3, num_attention_heads=2,
              patch_size=14, image_size=224)
TEXT = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=1,
            vocab_size=40)
PUBLISHED = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
                 num_attention_heads=16, patch_size=14, image_size=224)


def random_weights(model, generator):
    """Every tensor far from its initial value, activations of moderate size."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.3 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        elif name == "embeddings.position_embedding.weight":
            # Smooth on the grid, as trained ones are, with noise on top.
            coarse = torch.randn((1, noise.shape[1], 5, 5), generator=generator) * 0.6
            value = 0.2 * noise + F.interpolate(coarse, 16, mode="bicubic").flatten(2)[0].t()
        elif name == "head.probe":
            value = noise
        else:
            value = 1.4 * noise * parameter[0].numel() ** -0.5
        parameter.data.copy_(value)


def timm_tower(state):
    """timm's tower with the weights of transformers', loaded strictly under timm's names. timm takes the
    exact GELU where the authors and transformers take that by tanh; it is set to theirs."""
    width, depth = VISION["hidden_size"], VISION["num_hidden_layers"]
    model = VisionTransformer(
        img_size=224, patch_size=14, embed_dim=width, depth=depth, class_token=False,
        num_heads=VISION["num_attention_heads"], global_pool="map", num_classes=0,
        mlp_ratio=(VISION["intermediate_size"] + 0.5) / width, dynamic_img_size=True)
    for block in (*model.blocks, model.attn_pool):
        block.mlp.act = torch.nn.GELU(approximate="tanh")
    weights = {"pos_embed": state["embeddings.position_embedding.weight"][None],
               "attn_pool.latent": state["head.probe"]}
    for kind in ("weight", "bias"):
        weights[f"patch_embed.proj.{kind}"] = state[f"embeddings.patch_embedding.{kind}"]
        weights[f"norm.{kind}"] = state[f"post_layernorm.{kind}"]
        rows = state[f"head.attention.in_proj_{kind}"]
        weights[f"attn_pool.q.{kind}"], weights[f"attn_pool.kv.{kind}"] = rows[:width], rows[width:]
        for theirs, ours in (("proj", "attention.out_proj"), ("norm", "layernorm"),
                             ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
            weights[f"attn_pool.{theirs}.{kind}"] = state[f"head.{ours}.{kind}"]
        for i in range(depth):
            layer, block = f"encoder.layers.{i}.", f"blocks.{i}."
            weights[f"{block}attn.qkv.{kind}"] = torch.cat(
                [state[f"{layer}self_attn.{part}_proj.{kind}"] for part in "qkv"])
            for theirs, ours in (("attn.proj", "self_attn.out_proj"), ("norm1", "layer_norm1"),
                                 ("norm2", "layer_norm2"), ("mlp.fc1", "mlp.fc1"),
                                 ("mlp.fc2", "mlp.fc2")):
                weights[f"{block}{theirs}.{kind}"] = state[f"{layer}{ours}.{kind}"]
    model.load_state_dict(weights)
    return model.eval()


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(22)
    coarse = torch.rand((2, 3, 24, 24), generator=generator)
    images = F.interpolate(coarse, 256, mode="bicubic") * 230 + 10
    images = images + torch.randn(images.shape, generator=generator) * 12
    images = images.clamp(0, 255).to(torch.uint8)
    grey = images[:, :1, 40:68, 90:118].contiguous()

    def prepared(pixels, side):
        return (F.interpolate(pixels.float() / 255.0, side, mode="bicubic") - 0.5) / 0.5

    tensors = {"images": images, "grey": grey, "input.224": prepared(images, 224),
               "input.wide": prepared(images[:1], (168, 252)),
               "input.98": prepared(grey.expand(-1, 3, -1, -1), 98)}
    whole = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)).eval()
    model = whole.vision_model
    random_weights(model, generator)
    whole.save_pretrained(folder / "whole")
    alone = SiglipVisionModel(model.config)
    alone.load_state_dict(model.state_dict())
    alone.save_pretrained(folder / "tower")

    def store(name, output):
        tensors[f"{name}.class"] = output.pooler_output
        tensors[f"{name}.patches"] = output.last_hidden_state

    with torch.no_grad():
        store("224", model(tensors["input.224"]))
        store("plain", model(tensors["input.wide"], interpolate_pos_encoding=True))
        kept = model.embeddings.interpolate_pos_encoding
        for name, grid in (("wide", [12, 18]), ("98", [7, 7])):
            positions = resample_abs_pos_embed(model.embeddings.position_embedding.weight[None],
                                               grid, num_prefix_tokens=0)
            model.embeddings.interpolate_pos_encoding = lambda *_: positions
            store(name, model(tensors[f"input.{name}"], interpolate_pos_encoding=True))
        model.embeddings.interpolate_pos_encoding = kept
        theirs = timm_tower(model.state_dict())
        save_file({k: v.clone().contiguous() for k, v in theirs.state_dict().items()},
                  folder / "timm.safetensors")
        for name in ("224", "wide"):
            patches = theirs.forward_features(tensors[f"input.{name}"])
            tensors[f"timm.{name}.patches"] = patches
            tensors[f"timm.{name}.class"] = theirs.forward_head(patches)
    # Names and shapes of the published so400m/14, without memory for the values.
    with torch.device("meta"):
        published = SiglipVisionModel(SiglipVisionConfig(**PUBLISHED))
        published_by_timm = timm.create_model("vit_so400m_patch14_siglip_224", num_classes=0)
    metadata = {key: json.dumps({k: list(v.shape) for k, v in network.state_dict().items()})
                for key, network in (("published", published), ("timm", published_by_timm))}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "siglip.safetensors",
              metadata)


if __name__ == "__main__":
    main(sys.argv[1])
