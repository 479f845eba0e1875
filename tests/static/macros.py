#!/usr/bin/env python3
"""The macro test: a program that includes d2c/core.hpp gains no macro but D2C_*.

The macros after d2c/core.hpp are compared with those after the same standard and third-party
headers alone, included in the same order.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s*(<(?!d2c/)[^>]+>)", re.M)


def run(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"macros.py: {' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def leaked(root, compiler, flags):
    """Names of the macros that core.hpp adds and that do not start with D2C_."""
    base = [compiler, *flags, f"-I{root}", "-x", "c++"]
    ours = "#include <d2c/core.hpp>\n"
    listed = run([*base, "-M", "-"], ours).replace("\\\n", " ").split(":", 1)[1].split()
    others = []
    for file in listed:
        if pathlib.Path(file).resolve().is_relative_to(root):
            for name in SYSTEM_INCLUDE.findall(pathlib.Path(file).read_text()):
                if name not in others:
                    others.append(name)
    theirs = "".join(
        f"#if __has_include({name})\n#include {name}\n#endif\n" for name in others)

    def names(text):
        lines = run([*base, "-dM", "-E", "-"], text).splitlines()
        return {re.match(r"#define (\w+)", line).group(1) for line in lines}

    return sorted(n for n in names(ours) - names(theirs) if not n.startswith("D2C_"))


def self_test(compiler, flags):
    """A planted macro is found, a D2C_ macro and a third-party one are not."""
    flags = [f for f in flags if not f.startswith("-I")]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        (root / "d2c").mkdir()
        (root / "d2c/core.hpp").write_text(
            "#include <cassert>\n#include <d2c/part.hpp>\n#define D2C_FINE 1\n")
        (root / "d2c/part.hpp").write_text("#include <climits>\n#define SMALL 1\n")
        found = leaked(root, compiler, flags)
        return [] if found == ["SMALL"] else [f"expected ['SMALL'], found {found}"]


def main():
    parser = argparse.ArgumentParser(description="The macro test.")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    if args.self_test:
        wrong = self_test(args.compiler, args.flags)
        print("\n".join(wrong) or "the macro test goes red where it must")
        return 1 if wrong else 0
    found = leaked(args.include.resolve(), args.compiler, args.flags)
    for name in found:
        print(f"d2c/core.hpp leaves the macro {name} behind; name it D2C_{name} or undefine it")
    print(f"{len(found)} macros leaked")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
