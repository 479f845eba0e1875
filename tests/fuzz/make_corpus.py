"""Makes the files that the fuzzers begin with: small ones of every kind, as other programs write them.

usage: make_corpus.py [FOLDER]       default: the folder corpus beside this file, whose files are kept
                                     in the project so that the tests need no Python
Needs the packages of requirements-test.txt.
"""

import argparse
import base64
import collections
import gzip
import io
import json
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

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


class Subclass(torch.Tensor):
    """Saved by _rebuild_from_type_v2."""


def foreign():
    """Tensors of kinds that are not read, and containers beyond dicts and lists."""
    pairs = collections.defaultdict(list)
    pairs["a"].append(torch.ones(1))
    return {
        "w": torch.ones(2), "unsigned": torch.zeros(2, dtype=torch.uint16),
        "complex32": torch.zeros(1, dtype=torch.complex32), "complex128": torch.zeros(1, dtype=torch.complex128),
        "sparse": torch.eye(2).to_sparse(), "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "subclass": torch.ones(2).as_subclass(Subclass), "size": torch.Size([2, 3]), "pairs": pairs,
    }


def storage_view():
    """A legacy file whose tensor lies in a view of a storage, as old versions of PyTorch wrote them."""
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x04(" + \
        text(b"1") + b"K\x01K\x02ttQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    pickles = (b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"M\xe9\x03", b"}" + text(b"little_endian") + b"\x88s",
               b"}(" + text(b"w") + tensor + b"u", b"](" + text(b"0") + b"e")
    return b"".join(b"\x80\x02" + each + b"." for each in pickles) + struct.pack("<q4f", 4, 1, 2, 3, 4)


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


def checkpoints():
    old = {"_use_new_zipfile_serialization": False}
    for name, value, options in (
        ("zip.pt", state(), {}),
        ("protocol4.pt", state(), {"pickle_protocol": 4}),
        ("legacy.pth", state(), old),
        ("legacy_protocol4.pth", state(), old | {"pickle_protocol": 4}),
        ("list.pt", [torch.ones(1), (torch.zeros(2, dtype=torch.int64),)], {}),
        ("foreign.pt", foreign(), {}),
    ):
        file = io.BytesIO()
        torch.save(value, file, **options)
        yield name, file.getvalue()
    yield "storage_view.pth", storage_view()
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Scripted()), file)
    yield "torchscript.pt", file.getvalue()


def pickles():
    for name, data in checkpoints():
        if name.endswith(".pt"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entry = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                yield name.removesuffix(".pt") + ".pkl", archive.read(entry)
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


class Pipe(io.RawIOBase):
    """Where one cannot go back, sizes and checksums follow the data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def zips():
    for name in ("stored.npz", "compressed.npz", "zip64.npz"):
        yield name, dict(archives())[name]
    for name, file in (("mixed.zip", io.BytesIO()), ("stream.zip", Pipe())):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("folder/", b"")
            archive.writestr("folder/a", b"stored", zipfile.ZIP_STORED)
            archive.writestr("ä", b"deflated" * 20, zipfile.ZIP_DEFLATED)
            archive.writestr("other method", b"bzip2" * 20, zipfile.ZIP_BZIP2)
            archive.comment = b"a comment" if name == "mixed.zip" else b""
        yield name, file.data if isinstance(file, Pipe) else file.getvalue()
    yield "empty.zip", b"PK\x05\x06" + bytes(18)


def idx():
    images = struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12))
    labels = struct.pack(">II", 0x801, 3) + bytes(3)
    yield "images", images
    yield "labels", labels
    yield "images.gz", gzip.compress(images, mtime=0)
    yield "labels.gz", gzip.compress(labels[:5], mtime=0) + gzip.compress(labels[5:], mtime=0)


def png(width, height, depth, colour, rows, interlaced=False, extra=b""):
    """Rows stored without compression: a changed byte is a changed pixel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def adam7(picture):
    """The rows of the seven passes, each behind its filter byte."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    return b"".join(b"\0" + row.tobytes() for x, y, right, down in passes
                    for row in picture[y::down, x::right] if row.size > 0)


# A grey picture of 9 x 7 pixels as libjpeg writes it with arithmetic coding, which Pillow cannot.
ARITHMETIC_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R"
    "V19iZ2hnPk1xeXBkeFxlZ2P/yQALCAAHAAkBAREA/8wABgAQEAX/2gAIAQEAAD8A/NWqxUMYzoIUQmzm/IT45/dSQlQkONkW"
    "7QhDuT7T/wB/8LE3KzUAbPBsfn1LuxK8XcpA/9k=")


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
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture.astype(int) * 257)
    text = struct.pack(">I", 9) + b"zTXtk\0\0" + zlib.compress(b"", 0)[:6]
    yield "deep_rgba.png", png(7, 9, 16, 6, rows)
    yield "interlaced.png", png(7, 9, 8, 2, adam7(picture[..., :3]), True)
    yield "interlaced_deep.png", png(7, 9, 16, 0, adam7((picture[..., :1].astype(int) * 257).astype(">u2")), True)
    yield "text.png", png(7, 9, 16, 6, rows, extra=text + struct.pack(">I", zlib.crc32(text[4:])))
    yield "arithmetic.jpg", ARITHMETIC_JPEG


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
    # Strings of three quotes that end in five.
    yield "quotes.toml", b"[t]\na = { b = \"\"\"c\"\"\"\"\", d.e = '''f''''', g.h = 1 }\n"
    yield "override.toml", b"train.steps=[1, 2]"


CORPORA = {
    "checkpoint": checkpoints, "pickle": pickles, "safetensors": safetensors, "shard_index": indexes,
    "npz": archives, "zip": zips, "idx": idx, "image": images, "tar": tars, "config": configurations,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("corpus")
    torch.manual_seed(0)
    for target, files in CORPORA.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in files():
            (folder / target / name).write_bytes(data)


main()
