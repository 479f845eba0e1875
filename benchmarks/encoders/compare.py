"""Runs bench_encoders and its Python peer in turns and compares.

usage: compare.py BENCH_ENCODERS [--threads 2] [--rounds 5] [--quick] [--write] [--keep FOLDER] [NETWORK ...]

Both load the same files, which are written first, and their outputs must agree before anything is
timed. Ratios are Python's time over ours, median and range over the rounds; memory is the peak of
each process. The floor is the time of the network's matrix products alone (a convolution is one as
well), each measured at its own shape with torch's product. --quick: one round. --keep: the files stay
in this folder and serve again. --write puts the table into docs/results/performance.md.
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

import bench_encoders
import torch
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "performance.md"
TITLES = {
    "t5": ("T5-v1.1-base", f"{bench_encoders.PROMPTS} prompts of {bench_encoders.TOKENS} tokens", "transformers"),
    "dinov2": ("DINOv2-B", f"{bench_encoders.IMAGES} images, 224 px", "transformers"),
    "clip": ("CLIP ViT-L/14", f"{bench_encoders.FEW_IMAGES} images, 224 px", "transformers"),
    "vae-encode": ("SD VAE, encoder", f"{bench_encoders.PICTURES} images of 256 px, one by one", "diffusers"),
    "vae-decode": ("SD VAE, decoder", f"{bench_encoders.PICTURES} images of 256 px, one by one", "diffusers"),
    "inception": ("Inception-v3", f"{bench_encoders.IMAGES} images, 299 px", "torch-fidelity"),
}
AGREEMENT = 1e-4


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        if not self.process.stdout.readline().startswith("ready"):
            raise SystemExit("compare: this program did not start: " + " ".join(command))

    def line(self):
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("compare: a program ended before it answered")
        return [float(word) for word in answer.split()]

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def best(run, repeat):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def floor_of(products, repeat):
    """GFLOP and the seconds of torch's products of these shapes."""
    flop = seconds = 0.0
    for count, batch, m, k, n in products:
        # The rate does not change beyond some thousand rows, and the memory would.
        batch_now, rows = min(batch, 64), min(m, 16384) if batch == 1 else m
        a, b = torch.randn(batch_now, rows, k), torch.randn(batch_now, k, n)
        out = torch.empty(batch_now, rows, n)
        product = (lambda: torch.mm(a[0], b[0], out=out[0])) if batch == 1 else (
            lambda: torch.bmm(a, b, out=out))
        product()
        flop += 2.0 * count * batch * m * k * n
        seconds += count * best(product, repeat) * (batch / batch_now) * (m / rows)
    return flop * 1e-9, seconds


def agreement(ours, theirs, folder):
    """The largest difference over the largest value."""
    outputs = []
    for name, program in (("ours", ours), ("theirs", theirs)):
        program.ask("run 1")
        program.ask(f"write {folder / name}.safetensors")
        outputs.append(load_file(folder / f"{name}.safetensors")["output"])
    if outputs[0].shape != outputs[1].shape:
        raise SystemExit(f"compare: expected outputs of one shape, found {outputs[0].shape} of ours and "
                         f"{outputs[1].shape} of Python's")
    return ((outputs[0] - outputs[1]).abs().max() / outputs[1].abs().max()).item()


def measure(name, options, folder):
    title, inputs, library = TITLES[name]
    script = str(pathlib.Path(__file__).with_name("bench_encoders.py"))
    ours = Program(options.program, name, str(options.threads), str(folder))
    theirs = Program(sys.executable, script, name, str(options.threads), str(folder))
    difference = agreement(ours, theirs, folder)
    if not difference <= AGREEMENT:
        raise SystemExit(f"compare: {title}: expected outputs that agree to {AGREEMENT}, found a difference of "
                         f"{difference:.1e} of the largest value")
    pairs = [(ours.ask("run 1")[0], theirs.ask("run 1")[0]) for _ in range(options.rounds)]
    memory = [program.ask("memory") for program in (ours, theirs)]
    products = []
    if not options.no_floor:
        theirs.process.stdin.write("products\n")
        theirs.process.stdin.flush()
        while found := theirs.line():
            products.append([int(value) for value in found])
    for program in (ours, theirs):
        program.close()
    ratios = [t / o for o, t in pairs]
    mine, python = (statistics.median(times) for times in zip(*pairs))
    row = {
        "network": title, "input": inputs, "library": library,
        "ratio": f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        "ours": f"{mine:.0f} ms", "Python": f"{python:.0f} ms",
        "memory": f"{memory[0][0]:.0f} / {memory[1][0]:.0f} MB = {memory[0][0] / memory[1][0]:.2f}",
        "its growth": f"{(memory[0][0] - memory[0][1]) / (memory[1][0] - memory[1][1]):.2f}",
        "difference": f"{difference:.0e}",
    }
    if products:
        gflop, seconds = floor_of(products, 1 if options.quick else 3)
        row |= {"GFLOP": f"{gflop:.0f}", "products": f"{1e3 * seconds:.0f} ms",
                "GFLOP/s": f"{gflop / mine * 1e3:.0f}", "of the products' rate": f"{1e3 * seconds / mine:.0%}"}
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def table(rows, columns):
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(row.get(column, "") for column in columns) + " |" for row in rows])


def machine(options):
    from importlib.metadata import version

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.processor())
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("transformers", "diffusers", "torch-fidelity"))
    return (f"Machine: {cpu}, {os.cpu_count()} processors, {torch.backends.cpu.get_cpu_capability()}; "
            f"{platform.system()} {platform.release()}, {compiler}, LibTorch and PyTorch {torch.__version__}, "
            f"Python {platform.python_version()}, {libraries}. {options.threads} threads each, {options.rounds} "
            f"round{'s' * (options.rounds != 1)}, float32.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", default=list(bench_encoders.NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep")
    parser.add_argument("--no-floor", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_intermixed_args()
    if options.quick:
        options.rounds = 1
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="d2c-encoders-") as scratch:
        folder = pathlib.Path(options.keep or scratch)
        if not (folder / "inputs.safetensors").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # In a process of its own, so that this one stays small.
            subprocess.run([sys.executable, "-c", "import sys, bench_encoders; "
                            "bench_encoders.write_files(sys.argv[1], sys.argv[2:])", str(folder),
                            *(bench_encoders.NETWORKS if options.keep else options.networks)],
                           check=True, cwd=pathlib.Path(__file__).parent)
        print(machine(options), flush=True)
        rows = [measure(name, options, folder) for name in options.networks]
    speed = ["network", "input", "library", "ratio", "ours", "Python", "memory", "its growth"]
    limits = ["network", "GFLOP", "products", "ours", "GFLOP/s", "of the products' rate", "difference"]
    text = f"{machine(options)}\n\n{table(rows, speed)}\n\n{table(rows, limits)}\n"
    print(f"\n{text}\n{time.monotonic() - began:.0f} s")
    if options.write:
        page = PAGE.read_text()
        begin, end = "<!-- encoders: written by benchmarks/encoders/run.sh -->\n", "<!-- end of encoders -->\n"
        if begin not in page or end not in page:
            raise SystemExit(f"compare: expected the marks of the tables in {PAGE}, found none")
        PAGE.write_text(re.sub(re.escape(begin) + ".*" + re.escape(end),
                               lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL))


if __name__ == "__main__":
    main()
