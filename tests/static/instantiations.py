"""The instantiation budget of the core ring.

Counts how many class and function templates of namespace d2c clang++ instantiates for core.hpp alone
and for a pipeline of six stages beyond it (-ftime-trace), and fails above the budget: what makes
contract checks slow shows here first, and on every machine alike.

Usage: instantiations.py --compiler CLANG [--include DIR] [--self-test] -- FLAGS...
Exit code 77 (skipped) if the compiler is no clang.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
from compile_time import HEADER, SIX_STAGES  # noqa: E402  (one pipeline for budget and benchmark)

# Of version 0.1: 3746 and 1489. A change that needs more says why and raises the number here. Each key of a
# configuration takes about 30, each encoder with its sizes about 10; they made 770 of the header's.
HEADER_BUDGET = 4100
PIPELINE_BUDGET = 1800


def count(compiler, flags, text, folder):
    """Instantiations of d2c's templates that compiling `text` takes."""
    source = folder / "counted.cpp"
    source.write_text(text)
    command = [compiler, *flags, "-ftime-trace", "-ftime-trace-granularity=0", "-c", str(source), "-o", str(folder / "counted.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"instantiations: {' '.join(command)} failed:\n{done.stderr}")
    events = json.loads((folder / "counted.json").read_text())["traceEvents"]
    kinds = ("InstantiateClass", "InstantiateFunction")
    return sum(event["name"] in kinds and "d2c::" in event["args"]["detail"] for event in events)


def judge(counts, budgets):
    """Prints the table; whether every count keeps its budget."""
    kept = True
    for what, number, budget in zip(("core.hpp alone", "six stages beyond it"), counts, budgets):
        print(f"{what}: {number} instantiations of d2c's templates, budget {budget}")
        kept = kept and number <= budget
    return kept


def main():
    parser = argparse.ArgumentParser(description="The instantiation budget of the core ring.")
    parser.add_argument("--compiler", default="clang++")
    parser.add_argument("--include", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("flags", nargs="*")
    arguments = parser.parse_args()
    version = subprocess.run([arguments.compiler, "--version"], capture_output=True, text=True, check=False).stdout
    if "clang" not in version:
        print(f"skipped: {arguments.compiler} is no clang")
        return 77
    flags = [*arguments.flags, *(["-I", str(arguments.include)] if arguments.include else [])]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if arguments.self_test:
            many = "namespace d2c { template <int N> struct Chain : Chain<N - 1> {}; template <> struct Chain<0> {}; }\n"
            used = count(arguments.compiler, flags, many + "d2c::Chain<40> chain;\n", folder)
            assert 40 <= used <= 41, used
            assert not judge((used, 0), (used - 1, 0))
            return 0
        header = count(arguments.compiler, flags, HEADER, folder)
        pipeline = count(arguments.compiler, flags, SIX_STAGES, folder) - header
        return 0 if judge((header, pipeline), (HEADER_BUDGET, PIPELINE_BUDGET)) else 1


if __name__ == "__main__":
    sys.exit(main())
