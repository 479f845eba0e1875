#!/usr/bin/env python3
"""Compile-time cost of d2c: one command, one table.

Measures the core ring's header alone, the contract check of six stages beyond it, the library that
experiments share, and one experiment (examples/quickstart.cpp) compiled and linked with that library
from nothing and after a change of its types, and header-only. Processor seconds (a compiler runs on one core, so on an idle machine they are the wall
seconds) and peak memory of the largest process, best of several runs, without ccache.

usage: benchmarks/compile_time.py [--build build/release] [--repeat 3] [--no-experiment]
The build folder must be configured (cmake --preset release).
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

HEADER = "#include <d2c/core.hpp>\n"
SIX_STAGES = HEADER + """
using namespace d2c;
constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};
using Six = Pipeline<Source<FashionMNIST, Pixels>, Scorer<DiT<small>>,
                     Selector<Interval<>, PerClass<>>, Attacher<MiniLM, EfficientNetLite0<7>>,
                     Trainer<SiT<small>, FlowMatching, REPAAlign>, Sampler<Euler>>;
static_assert(sizeof(Six) > 0);
"""


def timed(command, folder=None):
    """(processor seconds, peak MB of the largest process) of one command; stops where it fails."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"compile_time: {shlex.join(command)} failed:\n{error.decode()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def best(command, repeat, folder=None):
    runs = [timed(command, folder) for _ in range(repeat)]
    return min(r[0] for r in runs), max(r[1] for r in runs)


def entry_of(build, source):
    """Compiler arguments that the build records for a source, without launcher, -c and -o."""
    commands = json.loads((build / "compile_commands.json").read_text())
    for entry in commands:
        if entry["file"] == str(source):
            words = shlex.split(entry["command"])
            start = next(i for i, word in enumerate(words)
                         if re.search(r"(^|/)(c\+\+|g\+\+|clang\+\+)[-.\w]*$", word))
            words = words[start:]
            kept, skip = [], False
            for word in words:
                if skip:
                    skip = False
                elif word in ("-c", "-o"):
                    skip = word == "-o"
                elif word != str(source):
                    kept.append(word)
            return kept
    sys.exit(f"compile_time: {build} holds no command for {source}. Fix: cmake --preset release")


def link_of(build, target):
    """The recorded link command of a target, as a shell line."""
    listed = subprocess.run(["ninja", "-C", str(build), "-t", "commands", target],
                            capture_output=True, text=True, check=True).stdout
    return listed.strip().splitlines()[-1]


def first_line(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[0]


def main():
    parser = argparse.ArgumentParser(description="Compile-time cost of d2c.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-experiment", action="store_true")
    args = parser.parse_args()
    build = args.build.resolve()
    quickstart = ROOT / "examples/quickstart.cpp"
    arguments = entry_of(build, quickstart)

    rows = []
    core_flags = [a for a in arguments if a.startswith(("-D", "-std")) or a == f"-I{ROOT}/include"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "header.cpp").write_text(HEADER)
        (path / "six.cpp").write_text(SIX_STAGES)
        for compiler in (arguments[0], "clang++"):
            if not first_line([compiler, "--version"]) or (
                    rows and "clang" in first_line([arguments[0], "--version"])):
                continue
            name = "g++" if "clang" not in first_line([compiler, "--version"]) else "clang++"
            command = [compiler, *core_flags, "-fsyntax-only"]
            header = best([*command, "header.cpp"], args.repeat, folder)
            six = best([*command, "six.cpp"], args.repeat, folder)
            rows.append((f"core.hpp alone, {name}", *header, "1 s"))
            rows.append((f"six stages beyond it, {name}", six[0] - header[0], six[1], "0.3 s"))
        if not args.no_experiment:
            text = quickstart.read_text()
            # A change of types only: another budget, another sampler.
            changed = text.replace("PerClass<>", "PerClass<50>").replace("Euler", "Heun")
            assert changed != text
            subprocess.run(["cmake", "--build", str(build), "--target", "d2c_compiled"], check=True,
                           stdout=subprocess.DEVNULL)
            library = build / "d2c/compiled.cpp"
            rows.append(("the shared library, once per project",
                         *timed([*entry_of(build, library), "-c", str(library), "-o", str(path / "library.o")]), ""))
            object_file = str(path / "quickstart.o")
            link = link_of(build, "quickstart")
            link = re.sub(r"\S*quickstart\.cpp\.o", object_file, link)
            link = re.sub(r"-o \S*quickstart", f"-o {path}/quickstart", link)
            header_only = [a for a in arguments if a != "-DD2C_USES_COMPILED"]
            assert header_only != arguments
            for name, source, flags in (("from nothing", text, arguments),
                                        ("after a change of its types", changed, arguments),
                                        ("header-only", text, header_only)):
                (path / "quickstart.cpp").write_text(source)
                compiled = timed([*flags, "-c", str(path / "quickstart.cpp"), "-o", object_file])
                linked = timed(["bash", "-c", link], build)
                rows.append((f"one experiment {name}", compiled[0] + linked[0],
                             max(compiled[1], linked[1]), "30 s"))

    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    print(f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores; "
          f"{first_line([arguments[0], '--version'])}; "
          f"flags {' '.join(a for a in arguments if re.match('-O|-march|-DNDEBUG', a))}")
    print()
    print("| what | seconds | peak MB | target |")
    print("| --- | --- | --- | --- |")
    for what, seconds, memory, target in rows:
        print(f"| {what} | {seconds:.2f} | {memory:.0f} | {target} |")


if __name__ == "__main__":
    main()
