"""What the study scripts share: building example programs, running one variant, mean and spread."""

import json
import math
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "build" / "release" / "examples"


def find_program(folder, name):
    """The path of a built example in build/release/examples/FOLDER, or None."""
    for place in (EXAMPLES / folder, EXAMPLES):
        if (place / name).is_file():
            return place / name
    return None


def build(folder, names):
    """Builds the programs that are missing."""
    missing = [name for name in names if not find_program(folder, name)]
    if missing:
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True)
        subprocess.run(["cmake", "--build", "--preset", "release", "--target", *missing], cwd=ROOT, check=True)


def run(folder, name, seed, out, overrides):
    """Runs one program of one arm with one seed; returns the metrics of its arm."""
    command = [
        str(find_program(folder, name)), "run", "--config", str(ROOT / "configs" / f"{folder}.toml"),
        "--out", str(out), "--set", f"run.name={name}-{seed}", "--set", f"run.seed={seed}",
    ]
    for override in overrides:
        command += ["--set", override]
    print("$ " + " ".join(command), flush=True)
    subprocess.run(command, cwd=ROOT, check=True)
    summary = json.loads((out / f"{name}-{seed}" / "summary.json").read_text())
    (arm,) = summary["arms"].values()
    return arm


def spread(values):
    """Mean and sample standard deviation as text."""
    mean = statistics.mean(values)
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    digits = 1 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def write_table(out, text):
    """Prints the table and keeps it as table.md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(text + "\n")
    print(text)
    print(f"\nTable: {out / 'table.md'}")
