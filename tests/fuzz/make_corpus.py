"""Makes the files that the fuzzers begin with: small ones of every kind, as other programs write them.

usage: make_corpus.py [FOLDER]       default: the folder corpus beside this file, whose files are kept
                                     in the project so that the tests need no Python
Needs the packages of requirements-test.txt.
"""

import argparse
import collections
import gzip
import io
import json
import pathlib
import struct
import sys
import tarfile
import zipfile

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save


def state():
    base = torch.arange(6, dtype=torch.float32)
    return {
        "model": collections.OrderedDict(
            {"w": base.view(2, 3), "t": base.view(2, 3).t(), "h": base.half(), "b": base[2:].bfloat16()}),
        "ema": {"p": torch.nn.Parameter(base[1:4]), "e": base[:1].expand(2), "0": torch.zeros(0, 3)},
        "args": argparse.Namespace(lr=1e-4, big=2**70, nested={"a": [1, None, (True, b"x")]}),
        "epoch": 3,
    }


def checkpoints():
    old = {"_use_new_zipfile_serialization": False}
    for name, value, options in (
        ("zip.pt", state(), {}),
        ("protocol4.pt", state(), {"pickle_protocol": 4}),
        ("legacy.pth", state(), old),
        ("legacy_protocol4.pth", state(), old | {"pickle_protocol": 4}),
        ("list.pt", [torch.ones(1), (torch.zeros(2, dtype=torch.int64),)], {}),
    ):
        file = io.BytesIO()
        torch.save(value, file, **options)
        yield name, file.getvalue()


def pickles():
    for name, data in checkpoints():
        if name.endswith(".pt"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entry = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                yield name.replace(".pt", ".pkl"), archive.read(entry)
    # Every instruction that the interpreter knows, and containers that hold themselves.
    yield "references.pkl", b"\x80\x02]q\x00(h\x00h\x00]q\x01h\x01e}q\x02(X\x01\x00\x00\x00ah\x02u\x86."
    yield "others.pkl", (b"\x80\x04(K\x01M\x01\x00J\x01\x00\x00\x00\x8a\x01\x01G?\xf0\0\0\0\0\0\0\x88\x89N"
                         b"U\x01a\x8c\x01b\x94C\x01cB\x01\0\0\0d21N0(\x8f(K\x01\x90(K\x02\x91\x85\x86NN\x87t0"
                         b"ccollections\nOrderedDict\n](K\x01K\x02\x86e\x85R}b.")


def safetensors():
    base = torch.arange(6, dtype=torch.float32)
    yield "kinds.safetensors", save(
        {"f": base.view(2, 3), "h": base.half(), "b": base.bfloat16(), "i": base.long(), "u": base.byte(),
         "m": base > 2, "s": torch.tensor(1.0), "e": torch.zeros(0, 3)}, {"format": "pt", "note": "größer"})
    header = b'{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' \
             b'"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"c":{"dtype":"F4","shape":[2],"data_offsets":[5,6]}}  '
    yield "unaligned.safetensors", struct.pack("<Q", len(header)) + header + b"123456"
    yield "none.safetensors", struct.pack("<Q", 2) + b"{}"


def indexes():
    yield "two.index.json", json.dumps(
        {"metadata": {"total_size": 8}, "weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}).encode()


def archives():
    arrays = {"arr_0": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3), "arr_1": np.arange(2), "mu": np.ones(3)}
    for name, write in (("stored.npz", np.savez), ("compressed.npz", np.savez_compressed)):
        file = io.BytesIO()
        write(file, **arrays)
        yield name, file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.npy", "w", force_zip64=True) as entry:
            np.save(entry, np.zeros(20000, np.float32))
    yield "zip64.npz", file.getvalue()


def idx():
    images = struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12))
    labels = struct.pack(">II", 0x801, 3) + bytes(3)
    yield "images", images
    yield "labels", labels
    yield "images.gz", gzip.compress(images, mtime=0)
    yield "labels.gz", gzip.compress(labels[:5], mtime=0) + gzip.compress(labels[5:], mtime=0)


def images():
    picture = (np.arange(9 * 7 * 4) * 37 % 256).astype(np.uint8).reshape(9, 7, 4)
    rgb = Image.fromarray(picture[..., :3])
    for name, image, options in (
        ("rgb.png", rgb, {}),
        ("rgba.png", Image.fromarray(picture), {}),
        ("grey.png", rgb.convert("L"), {}),
        ("bits.png", rgb.convert("1"), {}),
        ("deep.png", Image.fromarray(picture[..., 0].astype(np.uint16) * 257), {}),
        ("palette.png", rgb.quantize(8), {"transparency": 1}),
        ("rgb.jpg", rgb, {}),
        ("grey.jpg", rgb.convert("L"), {}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("progressive.jpg", rgb, {"progressive": True, "subsampling": 0}),
        ("restart.jpg", rgb, {"restart_marker_blocks": 1}),
    ):
        file = io.BytesIO()
        image.save(file, "JPEG" if name.endswith("jpg") else "PNG", **options)
        yield name, file.getvalue()


def tars():
    for name, kind in (("ustar.tar", tarfile.USTAR_FORMAT), ("gnu.tar", tarfile.GNU_FORMAT),
                       ("pax.tar", tarfile.PAX_FORMAT)):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            long = "folder/" + "n" * (90 if kind == tarfile.USTAR_FORMAT else 120) + ".cls"
            for member in ("folder/a.png", "./folder/ä.txt", long):
                info = tarfile.TarInfo(member)
                info.size = 3
                archive.addfile(info, io.BytesIO(b"123"))
        # Without most of the zeros that fill the last 10 kB.
        yield name, file.getvalue().rstrip(b"\0") + bytes(1536)


def configurations():
    yield "kinds.toml", """# every kind of value
[run]
name = "a \\"b\\" \\u00e4"
path = 'C:\\x'
seed = 0x1F
threads = 1_000
rate = -1.5e-3
odd = [inf, nan, 0b11, 0o7]
flip = true
when = 2020-01-02T03:04:05Z
text = \"\"\"
two
lines\"\"\"
[train]
"quoted key" = [1, 2.5, "x", [true]]
a.b.c = { d = 1, e = { f = [] } }
[[list]]
x = 1
[[list]]
[list.below]
""".encode()
    yield "override.toml", b"train.steps=[1, 2]"


CORPORA = {
    "checkpoint": checkpoints, "pickle": pickles, "safetensors": safetensors, "shard_index": indexes,
    "npz": archives, "idx": idx, "image": images, "tar": tars, "config": configurations,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("corpus")
    torch.manual_seed(0)
    for target, files in CORPORA.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in files():
            (folder / target / name).write_bytes(data)


main()
