#!/usr/bin/env python3
"""The examples of the documentation compile, and those of the error pages do not.

Every C++ block of README.md and docs/ that includes <d2c/core.hpp> is a file of its own and must pass
the compiler; blocks that include headers of the tensor ring are not compiled here. On a page of
docs/errors with a section "What the compiler says", the block under "Smallest code" must be refused with
the sentence that the page quotes, and a block under "Remedy" must compile.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

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


def error_blocks(root):
    """(place, code, sentence) of the blocks of error pages; no sentence: must compile."""
    for page in sorted((root / "docs/errors").glob("d2c.*.md")):
        text = page.read_text()
        if "## What the compiler says" not in text:
            continue
        sentence = re.search(r"^> (.*)$", text, re.M).group(1)
        for heading, expected in (("## Smallest code", f"[{page.stem}] {sentence}"), ("## Remedy", "")):
            match = BLOCK.search(text.split(heading, 1)[1].split("\n## ", 1)[0])
            if match:
                code = match.group(1)
                if "#include" not in code:
                    code = ("#include <d2c/core.hpp>\nusing namespace d2c;\n" + code
                            + "static_assert(sizeof(Experiment) > 0);\n")
                yield f"{page.relative_to(root)}: {heading[3:]}", code, expected


def refused(compiler, flags, code):
    """The first error line of the compiler, or nothing."""
    done = subprocess.run([compiler, *flags, "-fsyntax-only", "-x", "c++", "-"], input=code,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if len(errors) > 1:
        errors[0] += f" (and {len(errors) - 1} more)"
    return (errors or done.stderr.splitlines() or ["no message"])[0]


def precompiled(compiler, flags, root, folder):
    """Precompiles core.hpp and returns the flags with which g++ finds it, so that a block takes a fifth of the time.
    Another compiler, or a block that begins with another header, reads core.hpp itself."""
    target = pathlib.Path(folder) / "d2c/core.hpp.gch"
    target.parent.mkdir()
    header = root / "include/d2c/core.hpp"
    done = subprocess.run([compiler, *flags, "-x", "c++-header", header, "-o", target],
                          capture_output=True, text=True, check=False)
    return [f"-I{folder}"] if done.returncode == 0 else []


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
    root = args.root.resolve()
    found = [(place, code, "") for place, code in blocks(root)] + list(error_blocks(root))
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        flags = [*precompiled(args.compiler, args.flags, root, folder), *args.flags]
        verdicts = list(pool.map(lambda b: refused(args.compiler, flags, b[1]), found))
    wrong = []
    for (place, _, expected), verdict in zip(found, verdicts):
        if expected and (expected not in verdict or verdict.endswith("more)")):
            wrong.append(f"{place}: expected the error {expected}, found {verdict or 'none'}")
        elif verdict and not expected:
            wrong.append(f"{place}: {verdict}")
    print("\n".join(wrong))
    print(f"{len(found)} examples compiled, {len(wrong)} not as the documentation says")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
