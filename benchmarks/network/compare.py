"""Runs the C++ program and the Python ones in turns (ours, eager, compile, ours, ...) and compares.

usage: compare.py BENCH_NETWORK [--threads 2] [--rounds 5] [--compile] [--quick] [--write] [NETWORK ...]

Ratios are Python's time over ours, median and range over the rounds. The floor of a case is the time
that this machine needs for its matrix products alone, each measured at its own shape with torch's
product, plus that for the bytes that no cache holds, at the measured rate of a copy: weights,
gradients, moments, average, and what the blocks keep for backward. --quick: one round. --write puts
the tables into docs/results/performance.md.
"""

import argparse
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import bench_network
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "performance.md"
# In this order: each needs more memory than those before it.
PASSES = {"score": "scoring pass", "sample": "guided Euler step", "train": "forward and backward",
          "step": "training step"}
COMPILED = ("score", "sample", "step")
COMPILED_NETWORKS = ("S/4", "S/2", "B/4")
REPETITIONS = {"d64": 8, "d96": 6, "S/4": 2}


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        if not self.process.stdout.readline().startswith("ready"):
            raise SystemExit("compare: this program did not start: " + " ".join(command))

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"compare: a program ended at \"{what}\"")
        return [float(word) for word in answer.split()]

    def median(self, what, repetitions):
        return statistics.median(self.ask(f"{what} {repetitions}"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def products(name, what):
    """Matrix products of a pass: (how often, batch or 1, m, k, n) as [m, k] x [k, n]."""
    s = bench_network.NETWORKS[name]
    tokens, width, batch = (s["side"] // s["patch"]) ** 2, s["width"], s["batch"]
    rows, patch, head = batch * tokens, s["patch"] ** 2 * s["channels"], width // s["heads"]
    hidden, aligned = s["align_hidden"], s["align_width"]
    linear = [(s["depth"], rows, width, 3 * width), (s["depth"], rows, width, width),
              (s["depth"], rows, width, 4 * width), (s["depth"], rows, 4 * width, width),
              (1, rows, patch, width), (1, rows, width, patch), (1, batch, 256, width),
              (1, batch, width, width), (1, batch, width, (6 * s["depth"] + 2) * width)]
    if what == "step":
        linear += [(1, rows, width, hidden), (1, rows, hidden, hidden), (1, rows, hidden, aligned)]
    attention = [(s["depth"], batch * s["heads"], tokens, head, tokens),
                 (s["depth"], batch * s["heads"], tokens, tokens, head)]
    found = [(count, 1, m, k, n) for count, m, k, n in linear] + attention
    if what in ("train", "step"):
        found += [(count, 1, m, n, k) for count, m, k, n in linear]  # of the input
        found += [(count, 1, k, m, n) for count, m, k, n in linear]  # of the weight
        found += [(count, b, m, n, k) for count, b, m, k, n in attention]
        found += [(count, b, k, m, n) for count, b, m, k, n in attention]
    return found


def moved_bytes(name, what, parameters):
    """Bytes of a pass that no cache holds: see the module's text."""
    s = bench_network.NETWORKS[name]
    rows = s["batch"] * (s["side"] // s["patch"]) ** 2
    weights = 4 * parameters
    if what not in ("train", "step"):
        return weights
    # Kept per token and block: input, q, k, v, attention's output and branch, hidden, branch.
    kept = 4 * rows * s["depth"] * 12 * s["width"]
    moved = 2 * kept + 2 * weights + 3 * weights  # weights forward and backward, gradients
    if what == "step":
        moved += weights + 9 * weights  # norm; update of value, moments and average
    return moved


class Floor:
    """Rates of this machine, each product measured once per shape."""

    def __init__(self, threads, quick):
        torch.set_num_threads(threads)
        self.repeat = 2 if quick else 5
        self.seconds = {}
        a, b = torch.randn(1 << 25), torch.empty(1 << 25)
        self.copy_rate = 2 * a.numel() * 4 / self.best(lambda: b.copy_(a))

    def best(self, run):
        run()
        times = []
        for _ in range(self.repeat):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    def product(self, batch, m, k, n):
        if (batch, m, k, n) not in self.seconds:
            if batch == 1:
                a, b, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
                run = lambda: torch.mm(a, b, out=out)
            else:
                a, b, out = torch.randn(batch, m, k), torch.randn(batch, k, n), torch.empty(batch, m, n)
                run = lambda: torch.bmm(a, b, out=out)
            self.seconds[batch, m, k, n] = self.best(run)
        return self.seconds[batch, m, k, n]

    def of(self, name, what, parameters):
        """GFLOP, GB, and the seconds of both."""
        flop = sum(2 * count * b * m * k * n for count, b, m, k, n in products(name, what))
        compute = sum(count * self.product(b, m, k, n) for count, b, m, k, n in products(name, what))
        moved = moved_bytes(name, what, parameters)
        return flop * 1e-9, moved * 1e-9, compute, moved / self.copy_rate


def ratio(theirs, ours):
    values = [t / o for t, o in zip(theirs, ours)]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(name, options, floor):
    threads = str(options.threads)
    python = [sys.executable, str(pathlib.Path(__file__).with_name("bench_network.py")), name, threads]
    programs = {"ours": Program(options.program, name, threads), "eager": Program(*python, "eager")}
    if options.compile and name in COMPILED_NETWORKS:
        programs["compile"] = Program(*python, "compile")
    repetitions = 1 if options.quick else REPETITIONS.get(name, 1)
    with torch.device("meta"):
        network = bench_network.Transformer(bench_network.NETWORKS[name])
    parameters = sum(p.numel() for p in network.parameters())
    rows = []
    for what in PASSES:
        taking = {key: program for key, program in programs.items() if key != "compile" or what in COMPILED}
        for program in taking.values():
            program.median(what, 1)  # compiles, or touches its memory for the first time
        times = {key: [] for key in taking}
        for _ in range(options.rounds):
            for key, program in taking.items():
                times[key].append(program.median(what, repetitions))
        memory = {key: program.ask("memory") for key, program in taking.items()}
        gflop, gbyte, compute, transfer = floor.of(name, what, parameters)
        ours = statistics.median(times["ours"]) * 1e-3
        row = {
            "network": name, "pass": PASSES[what],
            "to eager": ratio(times["eager"], times["ours"]),
            "to compile": ratio(times["compile"], times["ours"]) if "compile" in times else "",
            "ours": f"{1e3 * ours:.1f} ms",
            "eager": f"{statistics.median(times['eager']):.1f} ms",
            "memory": f"{memory['ours'][0]:.0f} / {memory['eager'][0]:.0f} MB = "
                      f"{memory['ours'][0] / memory['eager'][0]:.2f}",
            "its growth": f"{(memory['ours'][0] - memory['ours'][1]) / (memory['eager'][0] - memory['eager'][1]):.2f}",
            "GFLOP": f"{gflop:.1f}", "GB": f"{gbyte:.2f}",
            "products": f"{1e3 * compute:.1f} ms", "transfers": f"{1e3 * transfer:.1f} ms",
            "of the products' rate": f"{compute / ours:.0%}",
            "of the floor": f"{(compute + transfer) / ours:.0%}",
        }
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items() if value), flush=True)
    for program in programs.values():
        program.close()
    return rows


def table(rows, columns):
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(row[column] for column in columns) + " |" for row in rows])


def machine(options, floor):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.processor())
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return (f"Machine: {cpu}, {os.cpu_count()} processors, {torch.backends.cpu.get_cpu_capability()}; "
            f"{platform.system()} {platform.release()}, {compiler}, LibTorch and PyTorch {torch.__version__}, "
            f"Python {platform.python_version()}. {options.threads} threads each, {options.rounds} round{'s' * (options.rounds != 1)}, float32. "
            f"A copy moves {floor.copy_rate * 1e-9:.1f} GB/s.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", default=list(bench_network.NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_intermixed_args()
    if options.quick:
        options.rounds = 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="d2c-compile-") as cache:
        # torch.compile keeps what it made: away from the user's cache, and made anew every time.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        floor = Floor(options.threads, options.quick)
        print(machine(options, floor), flush=True)
        rows = [row for name in options.networks for row in measure(name, options, floor)]
    speed = ["network", "pass", "to eager", "to compile", "ours", "eager", "memory", "its growth"]
    limits = ["network", "pass", "GFLOP", "GB", "products", "transfers", "ours", "of the products' rate",
              "of the floor"]
    text = f"{machine(options, floor)}\n\n{table(rows, speed)}\n\n{table(rows, limits)}\n"
    print(f"\n{text}\n{time.monotonic() - began:.0f} s")
    if options.write:
        page = PAGE.read_text()
        begin, end = "<!-- networks: written by benchmarks/network/run.sh -->\n", "<!-- end of networks -->\n"
        if begin not in page or end not in page:
            raise SystemExit(f"compare: expected the marks of the tables in {PAGE}, found none")
        PAGE.write_text(re.sub(re.escape(begin) + ".*" + re.escape(end),
                               lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL))


if __name__ == "__main__":
    main()
