"""Images resized by Pillow, and the centre crop of guided-diffusion.

Writes into the folder given as the first argument, each with NAME.INDEX.in, .out tensors of uint8
[height, width, channels]: resize.safetensors (Image.resize of whole images; metadata INDEX: filter),
passes.safetensors (two calls of Image.resize, width before height), window.safetensors (a part of a
resized image; metadata INDEX: filter, width, height, left, top), crop.safetensors (metadata INDEX:
size).
"""

import pathlib
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def picture(random, width, height, channels):
    """Noise, a smooth field or hard edges: what rounding and clipping are sensitive to."""
    kind = random.integers(3)
    if kind == 0:
        pixels = random.integers(0, 256, (height, width, channels))
    elif kind == 1:
        y, x = np.mgrid[0:height, 0:width]
        waves = random.uniform(0.01, 0.4, (2, channels))
        phase = x[..., None] * waves[0] + y[..., None] * waves[1]
        pixels = 127.5 + 127.5 * np.sin(phase)
    else:
        pixels = 255 * random.integers(0, 2, (height, width, channels))
    return pixels.astype(np.uint8)


def image_of(pixels):
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def pixels_of(image):
    array = np.asarray(image)
    return np.ascontiguousarray(array[..., None] if array.ndim == 2 else array)


def center_crop_arr(image, size):
    """As in guided_diffusion/image_datasets.py: halvings, bicubic, the middle."""
    while min(*image.size) >= 2 * size:
        image = image.resize(tuple(side // 2 for side in image.size), resample=Image.Resampling.BOX)
    scale = size / min(*image.size)
    image = image.resize(
        tuple(round(side * scale) for side in image.size), resample=Image.Resampling.BICUBIC
    )
    pixels = pixels_of(image)
    top = (pixels.shape[0] - size) // 2
    left = (pixels.shape[1] - size) // 2
    return np.ascontiguousarray(pixels[top : top + size, left : left + size])


def side(random, largest):
    return int(np.exp(random.uniform(0, np.log(largest))) + 0.5)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)

    tensors, notes = {}, {}
    fixed = [(500, 375, 341, 256), (333, 500, 256, 384), (513, 257, 64, 32), (256, 256, 256, 100)]
    fixed += [(256, 256, 100, 256), (2, 900, 3, 7), (900, 2, 7, 3), (1, 1, 40, 50), (60, 40, 60, 40)]
    for index in range(220):
        if index < 3 * len(fixed):
            width, height, to_width, to_height = fixed[index // 3]
        else:
            width, height, to_width, to_height = (side(random, 220) for _ in range(4))
        pixels = picture(random, width, height, list(MODES)[index % 3])
        tensors[f"{index}.in"] = pixels
        for name in FILTERS:
            made = image_of(pixels).resize((to_width, to_height), FILTERS[name])
            tensors[f"{index}.{name}"] = pixels_of(made)
    save_file(tensors, folder / "resize.safetensors")

    tensors = {}
    for index in range(60):
        width, height, to_width, to_height = (side(random, 120) for _ in range(4))
        pixels = picture(random, width, height, (1, 3)[index % 2])
        name = list(FILTERS)[index // 2 % 4]
        made = image_of(pixels).resize((to_width, height), FILTERS[name])
        tensors[f"{index}.in"] = pixels
        tensors[f"{index}.{name}"] = pixels_of(made.resize((to_width, to_height), FILTERS[name]))
    save_file(tensors, folder / "passes.safetensors")

    tensors = {}
    for index in range(90):
        width, height, to_width, to_height = (side(random, 150) for _ in range(4))
        pixels = picture(random, width, height, list(MODES)[index % 3])
        name = list(FILTERS)[index // 3 % 4]
        made = pixels_of(image_of(pixels).resize((to_width, to_height), FILTERS[name]))
        left, top = int(random.integers(to_width)), int(random.integers(to_height))
        right = int(random.integers(left, to_width)) + 1
        bottom = int(random.integers(top, to_height)) + 1
        tensors[f"{index}.in"] = pixels
        tensors[f"{index}.{name}"] = np.ascontiguousarray(made[top:bottom, left:right])
        notes[str(index)] = f"{to_width} {to_height} {left} {top}"
    save_file(tensors, folder / "window.safetensors", notes)

    tensors, notes = {}, {}
    for index in range(60):
        size = [32, 64, 56][index % 3] if index >= 6 else 256
        width, height = (side(random, 40) * size // 8 + 5 for _ in range(2))
        if index < 6:
            width, height = [(500, 375), (375, 500), (256, 256), (1030, 700), (300, 900), (90, 70)][index]
        pixels = picture(random, width, height, 3)
        tensors[f"{index}.in"] = pixels
        tensors[f"{index}.out"] = center_crop_arr(image_of(pixels), size)
        notes[str(index)] = str(size)
    save_file(tensors, folder / "crop.safetensors", notes)


if __name__ == "__main__":
    main()
