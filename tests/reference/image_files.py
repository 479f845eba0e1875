"""Image files of every kind with what Pillow's convert("RGB") makes of them, and folders as
torchvision lists them.

Writes into the folder given as the first argument:
  files/             PNG and JPEG files; NAME.rgb beside each holds the rows [height, width, 3]
  cases.txt          "NAME WIDTH HEIGHT" of each
  whole/             small files of each kind
  truncations.txt    "NAME LENGTH VERDICT": whether Pillow decodes the first LENGTH bytes of a whole
                     file (1) or not (0); what it decodes is what it makes of the whole file
  refused/           files that Pillow refuses as well
  tree/, tree.txt    a folder of class folders; "LABEL PATH" in torchvision's order
  shards/            tar files of Python's tarfile in each format, and NAME.txt: "SIZE BYTE PATH"
"""

import io
import pathlib
import random
import struct
import sys
import tarfile
import warnings
import zlib

import numpy as np
from PIL import Image
from torchvision.datasets import ImageFolder

rng = np.random.default_rng(20)
random.seed(20)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(samples, depth):
    """Rows [h, w * channels] of samples as PNG bytes."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in samples]
    if depth == 8:
        return [row.astype(np.uint8).tobytes() for row in samples]
    shifts = np.arange(depth - 1, -1, -1)
    bits = (samples[..., None] >> shifts) & 1
    return [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]


def png(samples, depth, color, interlaced=False, extra=b""):
    """A PNG of samples [h, w, channels], with random row filters 0 (none) and 1 (sub) or 2 (up)."""
    height, width, channels = samples.shape
    step = max(1, depth * channels // 8)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
                  (1, 0, 2, 1)]
    data = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        if part.size == 0:
            continue
        before = None
        for row in packed_rows(part.reshape(part.shape[0], -1), depth):
            row = np.frombuffer(row, np.uint8)
            kind = random.randrange(3)
            shifted = np.zeros_like(row)
            if kind == 1:
                shifted[step:] = row[:-step]
            elif kind == 2 and before is not None:
                shifted = before
            data += bytes([kind]) + (row - shifted).tobytes()
            before = row
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def png_files():
    """Every colour type and depth, plain and interlaced, with transparency, gamma and palettes."""
    kinds = [(0, d) for d in (1, 2, 4, 8, 16)] + [(2, 8), (2, 16)]
    kinds += [(3, d) for d in (1, 2, 4, 8)] + [(4, 8), (4, 16), (6, 8), (6, 16)]
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for color, depth in kinds:
        for interlaced in (False, True):
            for variant in range(3):
                shape = (random.randrange(1, 24), random.randrange(1, 24), channels[color])
                samples = rng.integers(0, 1 << depth, shape)
                if depth == 16 and variant == 1:
                    samples = rng.integers(0, 300, shape)  # on both sides of 255
                extra = b""
                if variant == 2:
                    extra += chunk(b"gAMA", struct.pack(">I", 30000))
                if color == 3:
                    # The third variant's palette is too short for some of the indices.
                    size = 1 << depth if variant < 2 else max(1, (1 << depth) // 2)
                    extra += chunk(b"PLTE", rng.integers(0, 256, 3 * size, dtype=np.uint8).tobytes())
                    if variant == 1:
                        extra += chunk(b"tRNS", rng.integers(0, 256, size, dtype=np.uint8).tobytes())
                elif color in (0, 2) and variant == 1:
                    extra += chunk(b"tRNS", struct.pack(">H", int(samples.flat[0])) * channels[color])
                name = f"png-{color}-{depth}-{'adam7' if interlaced else 'plain'}-{variant}.png"
                yield name, png(samples, depth, color, interlaced, extra)


def picture(height, width, channels):
    """Smooth colours with noise, as photos have."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 100 * np.sin(x / random.uniform(3, 30) + y / random.uniform(3, 30) + i)
              for i in range(channels)]
    noise = rng.normal(0, random.choice([0, 5, 40]), (height, width, channels))
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_sampling(data, factors):
    """The same blocks under another sampling of the first component, in a file of one scan."""
    at = data.index(b"\xff\xc0")
    return data[:at + 11] + bytes([factors]) + data[at + 12:]


def jpeg_files():
    for i in range(60):
        height, width = random.randrange(1, 90), random.randrange(1, 90)
        options = {"quality": random.randrange(5, 100), "progressive": random.random() < 0.4,
                   "optimize": random.random() < 0.5}
        if random.random() < 0.3:
            options["restart_marker_blocks"] = random.randrange(1, 5)
        mode = random.choice(["L", "RGB", "RGB", "RGB", "CMYK"])
        if mode == "RGB":
            options["keep_rgb"] = random.random() < 0.2
            options["subsampling"] = ("4:4:4" if options["keep_rgb"]
                                      else random.choice(["4:4:4", "4:2:2", "4:2:0"]))
        values = picture(height, width, {"L": 1, "RGB": 3, "CMYK": 4}[mode])
        image = Image.fromarray(values[..., 0] if mode == "L" else values, mode)
        data = saved(image, "JPEG", **options)
        yield f"jpeg-{i}-{mode}.jpg", data
        if mode == "CMYK":
            # The same samples declared YCCK: the last byte of Adobe's marker.
            at = data.index(b"Adobe") + 11
            yield f"jpeg-{i}-YCCK.jpg", data[:at] + b"\x02" + data[at + 1:]
    photo = Image.fromarray(picture(64, 64, 3))
    yield "jpeg-440.jpg", with_sampling(saved(photo, "JPEG", subsampling="4:2:2"), 0x12)
    yield "jpeg-411.jpg", with_sampling(saved(photo, "JPEG", subsampling="4:2:0"), 0x41)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees, which convert() does not undo
    yield "jpeg-orientation.jpg", saved(Image.fromarray(picture(20, 31, 3)), "JPEG", exif=exif)
    yield "jpeg-trailing.jpg", saved(photo, "JPEG") + b"\x00" * 5000
    no_adobe = saved(Image.fromarray(picture(20, 31, 4), "CMYK"), "JPEG")
    at = no_adobe.index(b"\xff\xee")
    yield "jpeg-plain-CMYK.jpg", no_adobe[:at] + no_adobe[at + 16:]
    # Damage that libjpeg steps over.
    damaged = bytearray(saved(photo, "JPEG", quality=90))
    damaged[len(damaged) // 2:len(damaged) // 2 + 4] = b"\x12\x34\x56\x78"
    yield "jpeg-damaged.jpg", bytes(damaged)
    yield "jpeg-named.png", saved(photo, "JPEG")
    yield "png-named.JPEG", saved(photo, "PNG")
    frames = [Image.fromarray(picture(9, 12, 3)) for _ in range(3)]
    yield "png-animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "png-first-apart.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:],
                                       default_image=True)


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def write_files(folder):
    (folder / "files").mkdir()
    with open(folder / "cases.txt", "w") as cases:
        for name, data in [*png_files(), *jpeg_files()]:
            rgb = decoded(data)
            (folder / "files" / name).write_bytes(data)
            (folder / "files" / f"{name}.rgb").write_bytes(rgb.tobytes())
            cases.write(f"{name} {rgb.shape[1]} {rgb.shape[0]}\n")


def write_truncations(folder):
    (folder / "whole").mkdir()
    small = picture(17, 23, 4)
    photo = Image.fromarray(small[..., :3])
    wholes = {
        "baseline.jpg": saved(photo, "JPEG", quality=60),
        "progressive.jpg": saved(photo, "JPEG", quality=60, progressive=True),
        "ink.jpg": saved(Image.fromarray(small, "CMYK"), "JPEG", quality=60),
        "plain.png": saved(photo, "PNG"),
        "interlaced.png": png(small[..., :3].astype(int), 8, 2, interlaced=True),
        "palette.png": saved(photo.quantize(16), "PNG"),
    }
    with open(folder / "truncations.txt", "w") as verdicts:
        for name, data in wholes.items():
            (folder / "whole" / name).write_bytes(data)
            whole = decoded(data)
            for length in range(len(data)):
                try:
                    part = decoded(data[:length])
                except (OSError, SyntaxError, ValueError):
                    verdicts.write(f"{name} {length} 0\n")
                    continue
                assert np.array_equal(part, whole), (name, length)
                verdicts.write(f"{name} {length} 1\n")


def write_refused(folder):
    (folder / "refused").mkdir()
    photo = Image.fromarray(picture(16, 16, 3))
    jpeg = saved(photo, "JPEG", quality=50)
    frame = jpeg.index(b"\xff\xc0")
    header = struct.pack(">IIBBBBB", 100000, 100000, 8, 2, 0, 0, 0)
    files = {
        "empty.jpg": b"",
        "text.png": b"no image at all",
        "cut.jpg": jpeg[:len(jpeg) // 2],
        "huge.jpg": jpeg[:frame + 5] + b"\xff\xff\xff\xff" + jpeg[frame + 9:],
        "huge.png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")),
        "zero-rows.jpg": jpeg[:frame + 5] + b"\x00\x00" + jpeg[frame + 7:],
        "two-components.jpg": jpeg[:frame + 9] + b"\x02" + jpeg[frame + 10:],
        "twelve-bits.jpg": jpeg[:frame + 4] + b"\x0c" + jpeg[frame + 5:],
    }
    for name, data in files.items():
        try:
            decoded(data)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            (folder / "refused" / name).write_bytes(data)
        else:
            raise AssertionError(f"Pillow reads {name}")


def write_tree(folder):
    root = folder / "tree"
    for path in ["dog/b.png", "dog/a.PNG", "dog/deep/z.jpg", "dog/Deep/y.jpeg", "dog/deep-er/x.bmp",
                 "dog/notes.txt", "cat/1.JPEG", "cat/10.jpg", "cat/2.webp", "cat/.hidden.png",
                 "Zebra/only.tiff", "ähre/ü.png", "a b/c d.ppm", "cat/noextension"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    (root / "loose.png").write_bytes(b"")
    (root / "cat" / "linked").symlink_to(root / "dog" / "deep")
    listed = ImageFolder(str(root))
    with open(folder / "tree.txt", "w") as lines:
        for path, label in listed.samples:
            lines.write(f"{label} {pathlib.Path(path).relative_to(root)}\n")


def write_shards(folder):
    (folder / "shards").mkdir()
    formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    for name, kind in formats.items():
        members = {"a.jpg": 700, "./b.cls": 1, "folder/c.json": 512, "empty.txt": 0,
                   "long/" + "d" * 90 + "/" + "e" * 60 + ".png": 1025}
        if kind != tarfile.USTAR_FORMAT:
            members["x" * 90 + "/" + "y" * 200 + "/" + "ä" * 50 + ".png"] = 33
        with tarfile.open(folder / "shards" / f"{name}.tar", "w", format=kind) as tar:
            directory = tarfile.TarInfo("folder")
            directory.type = tarfile.DIRTYPE
            tar.addfile(directory)
            for path, size in members.items():
                member = tarfile.TarInfo(path)
                member.size = size
                tar.addfile(member, io.BytesIO(bytes([len(path) % 251]) * size))
        with tarfile.open(folder / "shards" / f"{name}.tar") as tar, \
                open(folder / "shards" / f"{name}.txt", "w") as lines:
            for member in tar:
                if member.isreg():
                    path = member.name.removeprefix("./")
                    lines.write(f"{member.size} {tar.extractfile(member).read(1).hex() or '-'} {path}\n")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    write_files(folder)
    write_truncations(folder)
    write_refused(folder)
    write_tree(folder)
    write_shards(folder)


main(pathlib.Path(sys.argv[1]))
