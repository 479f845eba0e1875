"""Prepares a folder of JPEG files by d2c and by Python in turns (A B A B) and prints the ratio.

usage: compare.py BENCH_PREPARE [--images 2000] [--size 256] [--threads 0] [--rounds 5]

The files are made first, in a temporary folder: pictures of the sizes that ImageNet has, with the
amount of detail that gives JPEG files of about 100 kB.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

SIZES = [(500, 375)] * 6 + [(375, 500)] * 2 + [(500, 333), (640, 480)]


def picture(random, width, height):
    """Noise of all scales, coarse ones strongest, as in photographs."""
    field = np.zeros((height, width, 3), np.float32)
    for step, strength in ((64, 60), (24, 30), (8, 18), (3, 12), (1, 12)):
        small = random.normal(0, strength, (height // step + 2, width // step + 2, 3))
        for channel in range(3):
            plane = Image.fromarray(small[..., channel].astype(np.float32))
            field[..., channel] += np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(field + 120, 0, 255).astype(np.uint8))


def make_files(folder, images):
    random = np.random.default_rng(0)
    total = 0
    for index in range(images):
        path = folder / f"{index % 10:02}" / f"{index:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(random, *SIZES[index % len(SIZES)]).save(path, quality=94)
        total += path.stat().st_size
    return total / images


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        assert self.process.stdout.readline().startswith("ready"), command

    def seconds(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    threads = options.threads or len(os.sched_getaffinity(0))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    with tempfile.TemporaryDirectory() as scratch:
        files = pathlib.Path(scratch) / "files"
        bytes_each = make_files(files, options.images)
        print(f"{options.images} JPEG files of {bytes_each / 1000:.0f} kB to {options.size} x "
              f"{options.size}, {threads} cores, {options.rounds} rounds", flush=True)
        ours = Program(options.program, str(files), str(pathlib.Path(scratch) / "prepared"),
                       str(options.size), str(threads))
        python = str(pathlib.Path(__file__).with_name("bench_prepare.py"))
        theirs = Program(sys.executable, python, str(files), str(options.size), str(threads))
        for program in (ours, theirs):
            program.seconds()
        pairs = [(theirs.seconds(), ours.seconds()) for _ in range(options.rounds)]
        for process in (ours.process, theirs.process):
            process.stdin.close()
            process.wait()
    ratios = [p / o for p, o in pairs]
    p, o = (statistics.median(x) for x in zip(*pairs))
    print(f"Python {options.images / p:.0f} images/s, d2c {options.images / o:.0f} images/s, "
          f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
