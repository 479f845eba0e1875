"""Loads a checkpoint of the size of DiT-XL/2 by d2c, PyTorch and safetensors, each in a process of its own,
in turns, from the page cache; prints a table, and with --write puts it into docs/results/performance.md.

usage: compare.py BENCH_LOADING [--rounds 5] [--threads 0] [--depth 28] [--folder FOLDER] [--write]
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/results/performance.md"
BEGIN, END = "<!-- loading: written by benchmarks/loading/run.sh -->", "<!-- end of loading -->"
NETWORK = "DiT-XL/2 into its network"
# Program and way; None: ours. Each way is compared with the one of ours before it.
WAYS = {
    ".pt": (("d2c", None), ("torch.load", "torch"), ("torch.load(mmap=True), copied", "torch-mmap"),
            ("torch.load(mmap=True), read once", "torch-touch"), (f"{NETWORK}: d2c", None),
            (f"{NETWORK}: torch.load(mmap=True), load_state_dict", "torch-network")),
    ".safetensors": (("d2c", None), ("safetensors load_file, copied", "safetensors"),
                     ("safetensors load_file, read once", "safetensors-touch"), (f"{NETWORK}: d2c", None),
                     (f"{NETWORK}: safetensors load_file, load_state_dict", "safetensors-network")),
}


def weights(depth):
    """Names and shapes as in a published DiT-XL/2."""
    width = 1152
    linear = {"x_embedder.proj": (width, 4, 2, 2), "t_embedder.mlp.0": (width, 256),
              "t_embedder.mlp.2": (width, width), "final_layer.linear": (32, width),
              "final_layer.adaLN_modulation.1": (2 * width, width)}
    for block in range(depth):
        linear |= {f"blocks.{block}.attn.qkv": (3 * width, width), f"blocks.{block}.attn.proj": (width, width),
                   f"blocks.{block}.mlp.fc1": (4 * width, width), f"blocks.{block}.mlp.fc2": (width, 4 * width),
                   f"blocks.{block}.adaLN_modulation.1": (6 * width, width)}
    tensors = {"pos_embed": torch.randn(1, 256, width),
               "y_embedder.embedding_table.weight": torch.randn(1001, width)}
    for name, shape in linear.items():
        tensors[name + ".weight"] = torch.randn(shape)
        tensors[name + ".bias"] = torch.randn(shape[0])
    return tensors


def measured(*command):
    words = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(words[0]), int(words[1]), int(words[2])


def table(program, folder, rounds, threads, depth):
    python = str(pathlib.Path(__file__).with_name("bench_loading.py"))
    size = (folder / "weights.pt").stat().st_size
    ways = [(suffix, label, way) for suffix, some in WAYS.items() for label, way in some]
    commands = {("", floor): (program, floor, str(size), str(threads)) for floor in ("copy", "make")}
    for suffix, label, way in ways:
        file = str(folder / f"weights{suffix}")
        if way is not None:
            commands[suffix, label] = (sys.executable, python, way, file, str(threads))
        elif label.startswith(NETWORK):
            commands[suffix, label] = (program, "network", file, str(threads), str(depth))
        else:
            commands[suffix, label] = (program, "load", file, str(threads))
    for command in commands.values():  # files into the page cache, libraries too
        measured(*command)
    runs = {key: [] for key in commands}
    for _ in range(rounds):
        for key, command in commands.items():
            # The host of a virtual machine takes back memory that lies free; asking for it again would be
            # what is measured. So it is used once just before.
            measured(program, "make", str(2 * size), str(threads))
            runs[key].append(measured(*command))
    copies = [seconds for seconds, _, _ in runs["", "copy"]]
    makes = [seconds for seconds, _, _ in runs["", "make"]]
    lines = [f"A file of {size / 1e9:.2f} GB, {threads} threads, {rounds} rounds. The copy from memory to memory: "
             f"{statistics.median(copies):.2f} s ({min(copies):.2f} to {max(copies):.2f}), "
             f"{size / 1e9 / statistics.median(copies):.1f} GB/s. New memory, "
             f"written once: {statistics.median(makes):.2f} s ({min(makes):.2f} to {max(makes):.2f}).", "",
             "| file | program | seconds | range | times the copy | times new memory | to d2c | peak memory / tensors |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for suffix, label, way in ways:
        seconds = [run[0] for run in runs[suffix, label]]
        if way is None:
            ours = seconds
        to_copy, to_make = ([a / b for a, b in zip(seconds, floor)] for floor in (copies, makes))
        ratio = [a / b for a, b in zip(seconds, ours)]
        peak = max(run[2] / run[1] for run in runs[suffix, label])
        to_ours = ("" if way is None else
                   f"{statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})")
        lines.append(f"| `{suffix}` | {label} | {statistics.median(seconds):.2f} | {min(seconds):.2f} to "
                     f"{max(seconds):.2f} | {statistics.median(to_copy):.1f} | {statistics.median(to_make):.1f} | "
                     f"{to_ours} | {peak:.3f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--depth", type=int, default=28, help="blocks; fewer for a quick look")
    parser.add_argument("--folder", help="where the two files are made for the time of the measurement")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    threads = options.threads or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = pathlib.Path(scratch)
        torch.manual_seed(0)
        tensors = weights(options.depth)
        torch.save(tensors, folder / "weights.pt")
        save_file(tensors, folder / "weights.safetensors")
        del tensors
        os.sync()
        text = table(options.program, folder, options.rounds, threads, options.depth)
    print(text)
    if options.write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
