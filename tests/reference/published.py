"""Checkpoints of DiT, SiT, REPA and REG as their programs save them, with seeded random weights, and
what the networks return.

<folder>/CASE.pt or .safetensors, and <folder>/CASE.expected.safetensors with input.* and output.*;
input.t is the time of this library (0 data, 1 noise), and so are the signs of the outputs.
<folder>/full_sizes.json has the names and shapes of the largest published networks.
"""

import argparse
import json
import pathlib
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file

from published_networks import Network

SMALL = dict(input_size=8, patch_size=2, in_channels=4, hidden_size=48, depth=4, num_heads=3,
             mlp_ratio=4.0, class_dropout_prob=0.1, num_classes=5)
PROJECTOR = dict(encoder_depth=2, z_dims=[10], projector_dim=24)


def network(head, seed, **arguments):
    torch.manual_seed(seed)
    model = Network(head, **{**SMALL, **arguments}).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name != "pos_embed":
                fan = value[0].numel() if value.dim() > 1 else 25
                spread = 1.0 if "table" in name else fan ** -0.5
                value.copy_(torch.randn(value.shape) * spread + (name == "wg_norm.weight"))
    return model


@torch.no_grad()
def write_expected(folder, case, model, seed):
    generator = torch.Generator().manual_seed(seed)
    classes = model.y_embedder.embedding_table.num_embeddings
    size = model.patch * model.x_embedder.grid_size[0]
    x = torch.randn(3, model.channels, size, size, generator=generator)
    t = torch.rand(3, generator=generator)
    y = torch.tensor([0, 2, classes - 1])
    token = torch.randn(3, 10, generator=generator) if model.head == "reg" else None
    if model.head == "dit":
        t = (1000 * t).floor()
    image, projected, predicted = model(x, 1 - t if model.head == "sit" else t, y, token)
    if model.head == "sit":
        image = -image
    tensors = {"input.x": x, "input.t": t, "input.labels": y, "output.image": image}
    if projected:
        tensors["output.projected"] = projected[0]
    if token is not None:
        tensors |= {"input.class_token": token, "output.class_token": predicted}
    save_file({k: v.contiguous() for k, v in tensors.items()},
              folder / f"{case}.expected.safetensors")


def training(model, last, steps=None):
    """What train.py saves: two state dicts, the optimizer's state, the command line."""
    optimizer = torch.optim.AdamW(last.parameters(), lr=1e-4)
    last(torch.zeros(1, 4, 8, 8), torch.zeros(1), torch.zeros(1, dtype=torch.long),
         torch.zeros(1, 10))[0].sum().backward()
    optimizer.step()
    saved = {"model": last.state_dict(), "ema": model.state_dict(), "opt": optimizer.state_dict(),
             "args": argparse.Namespace(model="SiT-XL/2", global_batch_size=256)}
    return saved if steps is None else {**saved, "steps": steps}


def prefixed(state, prefix):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def write_full_sizes(folder):
    """Names and shapes of the published XL/2 for images of 256 pixels, as <folder>/full_sizes.json; built
    without memory for values."""
    xl = dict(input_size=32, patch_size=2, in_channels=4, hidden_size=1152, depth=28, num_heads=16,
              mlp_ratio=4.0, class_dropout_prob=0.1, num_classes=1000)
    projector = dict(encoder_depth=8, z_dims=[768], projector_dim=2048)
    with torch.device("meta"):
        networks = {"DiT-XL/2": Network("dit", learn_sigma=True, **xl),
                    "SiT-XL/2": Network("sit", learn_sigma=True, **xl),
                    "REPA": Network("repa", **projector, **xl),
                    "REG": Network("reg", cls_token_dim=768, **projector, **xl)}
    shapes = {name: {key: list(value.shape) for key, value in model.state_dict().items()}
              for name, model in networks.items()}
    (folder / "full_sizes.json").write_text(json.dumps(shapes))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)

    def case(name, saved, model, **options):
        torch.save(saved, folder / f"{name}.pt", **options)
        write_expected(folder, name, model, seed=len(name))

    dit = network("dit", 1, learn_sigma=True)
    case("dit_flat", dit.state_dict(), dit)
    case("dit_training", training(dit, network("dit", 2, learn_sigma=True)), dit)
    case("dit_legacy", prefixed(dit.state_dict(), "module."), dit,
         _use_new_zipfile_serialization=False)
    save_file({name: value.contiguous() for name, value in dit.state_dict().items()},
              folder / "dit_safetensors.safetensors")
    write_expected(folder, "dit_safetensors", dit, 7)
    half = {name: value.half() for name, value in dit.state_dict().items()}
    dit.load_state_dict(half)
    case("dit_half", half, dit)

    sit = network("sit", 3, learn_sigma=True)
    case("sit_flat", sit.state_dict(), sit)
    compiled = {"model": prefixed(sit.state_dict(), "module."),
                "ema": prefixed(sit.state_dict(), "_orig_mod.")}
    case("sit_compiled", compiled, sit)
    plain = network("sit", 4)
    case("sit_without_variance", plain.state_dict(), plain)

    repa = network("repa", 5, **PROJECTOR)
    last = network("repa", 6, **PROJECTOR)
    case("repa_training", training(repa, last, steps=400000), repa)
    write_expected(folder, "repa_training_last", last, 9)
    # Of before the trunk was one list: the blocks behind the projector have another name.
    legacy = OrderedDict()
    for name, value in repa.state_dict().items():
        part, _, rest = name.partition(".")
        index, _, rest = rest.partition(".")
        late = part == "blocks" and int(index) >= repa.encoder_depth
        legacy[f"decoder_blocks.{int(index) - repa.encoder_depth}.{rest}" if late else name] = value
    case("repa_legacy", legacy, repa)

    reg = network("reg", 7, cls_token_dim=10, **PROJECTOR)
    case("reg_training", training(reg, network("reg", 8, cls_token_dim=10, **PROJECTOR), 1), reg)

    # A size as published, with the 1000 classes of ImageNet.
    full = network("dit", 9, input_size=32, hidden_size=384, depth=12, num_heads=6,
                   num_classes=1000, learn_sigma=True)
    assert len(full.state_dict()) == 132
    assert sum(p.numel() for p in full.parameters()) == 32_963_360
    full = full.half().float()
    case("dit_s2", full.half().state_dict(), full.float())

    write_full_sizes(folder)

    readback = pathlib.Path(__file__).with_name("published_readback.py")
    (folder / "readback").write_text(f'"{sys.executable}" "{readback.resolve()}"')


if __name__ == "__main__":
    main()
