"""Runs the C++ and the Python program in turns (A B A B) and prints ratios of their medians.

usage: compare.py BENCH_NETWORK [--threads 2] [--rounds 7] [--compile] [NETWORK ...]
GFLOP/s counts the matrix products of tokens alone (2 m n k, and twice that again for backward).
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

import bench_network

REPETITIONS = {"d64": 8, "d96": 6, "S/4": 2, "S/2": 1}


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        assert self.process.stdout.readline().startswith("ready"), command

    def median(self, what, repetitions):
        self.process.stdin.write(f"{what} {repetitions}\n")
        self.process.stdin.flush()
        return statistics.median(map(float, self.process.stdout.readline().split()))


def gflop(name, what):
    n = bench_network.NETWORKS[name]
    tokens, width = (n["side"] // n["patch"]) ** 2, n["width"]
    block = 2 * tokens * 12 * width * width + 4 * tokens * tokens * width
    return n["batch"] * n["depth"] * block * (3 if what == "train" else 1) * 1e-9


def matrix_rate(name, threads):
    import time
    import torch

    n = bench_network.NETWORKS[name]
    torch.set_num_threads(threads)
    rows = n["batch"] * (n["side"] // n["patch"]) ** 2
    a, b = torch.randn(rows, n["width"]), torch.randn(n["width"], 4 * n["width"])
    out = torch.empty(rows, 4 * n["width"])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        times.append(time.perf_counter() - start)
    return 2e-9 * a.numel() * b.size(1) / statistics.median(times[5:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", default=list(bench_network.NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_intermixed_args()
    python = str(pathlib.Path(__file__).with_name("bench_network.py"))
    mode = "compile" if options.compile else "eager"
    print(f"{options.threads} threads, {options.rounds} rounds, against Python {mode}")
    print("network pass   python ms  d2c ms  ratio  [min, max]  d2c GFLOP/s  of torch.mm")
    for name in options.networks:
        threads = str(options.threads)
        ours = Program(options.program, name, threads)
        theirs = Program(sys.executable, python, name, threads, mode)
        for what in ("train", "score"):
            for program in (ours, theirs):
                program.median(what, 2)
            pairs = [(theirs.median(what, REPETITIONS[name]), ours.median(what, REPETITIONS[name]))
                     for _ in range(options.rounds)]
            ratios = [p / o for p, o in pairs]
            p, o = (statistics.median(x) for x in zip(*pairs))
            rate = gflop(name, what) / o * 1e3
            print(f"{name:7} {what:6} {p:9.1f} {o:7.1f} {statistics.median(ratios):6.2f}"
                  f"  [{min(ratios):.2f}, {max(ratios):.2f}] {rate:10.0f}"
                  f" {rate / matrix_rate(name, options.threads):10.0%}", flush=True)


if __name__ == "__main__":
    main()
