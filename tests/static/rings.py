#!/usr/bin/env python3
"""The ring test: which header may reach which library.

The compiler's own list of reached files (-M) is the judge, because on Debian every library lies in
/usr/include and a missing link edge never shows. Rules:

  core      core.hpp, what it reaches, and every header in core/ config/ io/ select/ but for those
            named as below: no torch, no CUDA
  kernels   kernels/*.hpp and *.cuh: no torch, Hana, range-v3 or toml++
  gateway   only tensor/torch.hpp writes an include of torch, ATen or c10

Folders of the core ring may hold the bodies of a stage that compute on tensors (run_*.hpp,
tensor_*.hpp, *_tensors.hpp); nothing of the core ring reaches those either, or it would reach torch.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CORE_FOLDERS = ("core", "config", "io", "select")
TENSOR_NAMES = re.compile(r"(^run_|^tensor_|_tensors?\.hpp$)")
GATEWAY = "d2c/tensor/torch.hpp"
TORCH_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]((?:torch|ATen|c10|caffe2)/[^>"]+)', re.M)
PARTS = {
    "torch": re.compile(r"/(torch/csrc|torch/headeronly|ATen|c10)/"),
    "CUDA": re.compile(r"/cuda_runtime(_api)?\.h$"),
    "Hana": re.compile(r"/boost/hana"),
    "range-v3": re.compile(r"/range/v3/"),
    "toml++": re.compile(r"/toml\+\+/"),
}


def reached(compiler, flags, root, torch, header):
    """The files that the compiler opens for `header`; headers of missing libraries are kept."""
    command = [compiler, *flags, f"-I{root}"]
    if torch:
        command += ["-isystem", f"{torch}/include",
                    "-isystem", f"{torch}/include/torch/csrc/api/include"]
    # -MG: a CUDA header that is not installed is a name in the list, not an error.
    command += ["-x", "c++", "-M", "-MG", str(root / header)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, done.stderr.strip()
    files = done.stdout.replace("\\\n", " ").split(":", 1)[1].split()
    return files, ""


def first_of(files, parts):
    """(name, file) of the first forbidden file, or None."""
    for file in files:
        # A file that was not found keeps its spelling, so "torch/csrc/x.h" needs a leading slash.
        spelled = "/" + file
        for name in parts:
            if PARTS[name].search(spelled):
                return name, file
    return None


def check(root, compiler, flags, torch):
    """Every breach as one sentence, and the number of headers judged by the compiler."""
    headers = sorted(str(p.relative_to(root)) for p in root.rglob("d2c/**/*.hpp"))
    headers += sorted(str(p.relative_to(root)) for p in root.rglob("d2c/**/*.cuh"))
    breaches = []
    for header in headers:
        for name in TORCH_INCLUDE.findall((root / header).read_text()):
            if header != GATEWAY:
                breaches.append(f"{header} includes <{name}>; only {GATEWAY} may include torch")

    rules = {}
    for header in headers:
        folder = header.split("/")[1]
        file = header.split("/")[-1]
        if folder == "kernels" or header.endswith(".cuh"):
            rules[header] = ("kernels", ("torch", "Hana", "range-v3", "toml++"))
        elif header == "d2c/core.hpp" or (folder in CORE_FOLDERS and not TENSOR_NAMES.search(file)):
            rules[header] = ("core", ("torch", "CUDA"))

    def judge(header):
        ring, forbidden = rules[header]
        files, problem = reached(compiler, flags, root, torch, header)
        if files is None:
            return [f"{header}: the compiler could not read it: {problem}"], []
        found = first_of(files, forbidden)
        ours = [f.split("/include/", 1)[-1] for f in files if "/d2c/" in f or f.startswith("d2c/")]
        if found:
            through = [h for h in ours[1:] if h != header]
            return [f"{header} ({ring} ring) reaches {found[0]}: {found[1]}"
                    + (f"; it includes {', '.join(through[:6])}" if through else "")], ours
        return [], ours

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for sentences, _ in pool.map(judge, rules):
            breaches += sentences
    return breaches, len(rules)


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#pragma once\n" + text)


def self_test(compiler, flags):
    """Plants one breach of each rule in a small tree and expects exactly these."""
    # The tree's own flags: the headers under test are the planted ones.
    flags = [f for f in flags if not f.startswith("-I")]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "include"
        torch = pathlib.Path(folder) / "torch"
        write(torch / "include", "ATen/ATen.h", "")
        write(root, GATEWAY, "#include <ATen/ATen.h>\n")
        write(root, "d2c/core.hpp", "#include <d2c/core/good.hpp>\n")
        write(root, "d2c/core/good.hpp", "#include <vector>\n")
        write(root, "d2c/train/good.hpp", "#include <d2c/tensor/torch.hpp>\n")
        write(root, "d2c/kernels/good.cuh", "#include <cuda_runtime.h>\n")
        breaches, judged = check(root, compiler, flags, torch)
        if breaches or judged != 3:
            return [f"a tree without a breach: judged {judged} of 3, found {breaches}"]
        write(root, "d2c/io/indirect.hpp", "#include <d2c/train/good.hpp>\n")
        write(root, "d2c/train/direct.hpp", "#include <ATen/ATen.h>\n")
        write(root, "d2c/kernels/hana.hpp", "#include <boost/hana/set.hpp>\n")
        write(root, "d2c/core/cuda.hpp", "#include <cuda_runtime.h>\n")
        breaches, _ = check(root, compiler, flags, torch)
        wrong = []
        for header in ("io/indirect", "train/direct", "kernels/hana", "core/cuda"):
            if sum(b.startswith(f"d2c/{header}.hpp") for b in breaches) != 1:
                wrong.append(f"expected one breach by d2c/{header}.hpp, found {breaches}")
        if len(breaches) != 4:
            wrong.append(f"expected 4 breaches, found {len(breaches)}: {breaches}")
        return wrong


def main():
    parser = argparse.ArgumentParser(description="The ring test.")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--torch", default="")
    parser.add_argument("--include", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    if args.self_test:
        wrong = self_test(args.compiler, args.flags)
        print("\n".join(wrong) or "the ring test goes red where it must")
        return 1 if wrong else 0
    breaches, judged = check(args.include.resolve(), args.compiler, args.flags, args.torch)
    print("\n".join(breaches))
    print(f"{judged} headers judged, {len(breaches)} breaches")
    return 1 if breaches or judged == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
