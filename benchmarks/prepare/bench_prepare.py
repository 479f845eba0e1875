"""usage: bench_prepare.py FOLDER SIZE WORKERS

Waits for lines on standard input; for each, loads the image folder as DiT, SiT and REPA do (Pillow,
center_crop_arr, torchvision's ImageFolder, a DataLoader with WORKERS processes) and prints the
seconds. Images stay bytes and nothing is written: less work than preparing them.
"""

import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor


def center_crop_arr(image, size):
    while min(*image.size) >= 2 * size:
        image = image.resize(tuple(side // 2 for side in image.size), resample=Image.Resampling.BOX)
    scale = size / min(*image.size)
    image = image.resize(
        tuple(round(side * scale) for side in image.size), resample=Image.Resampling.BICUBIC
    )
    pixels = np.array(image)
    top = (pixels.shape[0] - size) // 2
    left = (pixels.shape[1] - size) // 2
    return Image.fromarray(pixels[top : top + size, left : left + size])


class Prepared:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        return pil_to_tensor(center_crop_arr(image, self.size))


def main():
    folder, size, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    images = ImageFolder(folder, transform=Prepared(size))
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        seen = 0
        for batch, _ in DataLoader(images, batch_size=64, num_workers=workers):
            seen += len(batch)
        assert seen == len(images)
        print(f"{time.perf_counter() - began:.6f}", flush=True)


if __name__ == "__main__":
    main()
