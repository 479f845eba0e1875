#!/usr/bin/env python3
"""The examples of the documentation compile.

Every C++ block of README.md and docs/ that includes <d2c/core.hpp> is a file of its own and must pass
the compiler; blocks that include headers of the tensor ring are not compiled here. The smallest codes
of docs/errors are the business of tests/compile_fail.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.M | re.S)


def blocks(root):
    """(place, code) of every block to compile."""
    for file in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        if not file.is_file():
            continue
        text = file.read_text()
        for match in BLOCK.finditer(text):
            if "#include <d2c/core.hpp>" in match.group(1):
                line = text.count("\n", 0, match.start()) + 2
                yield f"{file.relative_to(root)}:{line}", match.group(1)


def refused(compiler, flags, code):
    """The first error line of the compiler, or nothing."""
    done = subprocess.run([compiler, *flags, "-fsyntax-only", "-x", "c++", "-"], input=code,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    return (errors or done.stderr.splitlines() or ["no message"])[0]


def main():
    parser = argparse.ArgumentParser(description="The examples of the documentation compile.")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    if args.self_test:
        good = refused(args.compiler, args.flags, "#include <d2c/core.hpp>\nstatic_assert(true);\n")
        bad = refused(args.compiler, args.flags, "#include <d2c/core.hpp>\nd2c::NoSuchType x;\n")
        print("the example test goes red where it must" if bad and not good else
              f"expected one refusal, found '{good}' and '{bad}'")
        return 0 if bad and not good else 1
    found = list(blocks(args.root.resolve()))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        verdicts = list(pool.map(lambda b: refused(args.compiler, args.flags, b[1]), found))
    wrong = [f"{place}: {verdict}" for (place, _), verdict in zip(found, verdicts) if verdict]
    print("\n".join(wrong))
    print(f"{len(found)} examples compiled, {len(wrong)} refused")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
