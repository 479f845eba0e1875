"""What the study scripts share: building example programs, running one variant, mean and spread."""

import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "build" / "release" / "examples"


def find_program(folder, name, programs=EXAMPLES):
    """The path of a built example in PROGRAMS/FOLDER or PROGRAMS, or None."""
    for place in (programs / folder, programs):
        if (place / name).is_file():
            return place / name
    return None


def build(folder, names, programs=EXAMPLES):
    """Builds the programs that are missing, in build/release."""
    missing = [name for name in names if not find_program(folder, name, programs)]
    if missing and programs != EXAMPLES:
        raise SystemExit(f"error: expected {', '.join(missing)} in {programs}, found none")
    if missing:
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True)
        subprocess.run(["cmake", "--build", "--preset", "release", "--target", *missing], cwd=ROOT, check=True)


def run(folder, name, seed, out, overrides, programs=EXAMPLES):
    """Runs one program of one arm with one seed; returns the metrics of its arm."""
    command = [
        str(find_program(folder, name, programs)), "run", "--config", str(ROOT / "configs" / f"{folder}.toml"),
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
    """Mean and sample standard deviation as text; of one value the value alone."""
    mean = statistics.mean(values)
    digits = 1 if abs(mean) >= 10 else 3
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def write_table(out, text):
    """Prints the table and keeps it as table.md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(text + "\n")
    print(text)
    print(f"\nTable: {out / 'table.md'}")
