#!/usr/bin/env python3
"""The documentation test: what README, CONTRIBUTING and docs/ point at exists.

  links      every relative link or image of a Markdown file leads to a file or folder, and its
             #anchor to a heading of that file
  paths      every path in backticks that begins with a folder of the project exists
  names      every name in the first column of a table under a heading "What ships" is declared in
             include/d2c
  keys       docs/how-to/configuration.md lists exactly the sections, keys and defaults that the
             *_config.hpp files declare
  errors     docs/errors/ has one page for every code in the sources, and index.md lists it
"""

import argparse
import pathlib
import re
import sys
import tempfile

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```[ \t]*$", re.M | re.S)
FOLDERS = ("include/", "examples/", "configs/", "tests/", "benchmarks/", "cmake/", "scripts/", "docs/",
           ".ci/")
# Made by a build or a run.
NOT_IN_THE_TREE = ("docs/html",)
DECLARED = r"\b(?:struct|class|using|concept|inline constexpr auto)\s+{}\b"


def documents(root):
    found = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [f for f in found if f.is_file()] + sorted((root / "docs").rglob("*.md"))


def slug(heading):
    """The anchor that a heading gets."""
    text = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def anchors(file):
    text = FENCE.sub("", file.read_text())
    return {slug(h) for h in re.findall(r"^#+ (.*)$", text, re.M)}


def broken_links(root, file):
    text = CODE_SPAN.sub("", FENCE.sub("", file.read_text()))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (file.parent / path).resolve() if path else file
        if not aim.exists():
            yield f"{file.relative_to(root)}: the link {target} leads nowhere"
        elif anchor and aim.suffix == ".md" and anchor not in anchors(aim):
            yield f"{file.relative_to(root)}: the link {target} names no heading of {aim.name}"


def missing_paths(root, file):
    text = FENCE.sub("", file.read_text())
    for span in CODE_SPAN.findall(text):
        path = span.split()[0].split("#")[0]
        if not path.startswith(FOLDERS) or path.startswith(NOT_IN_THE_TREE):
            continue
        if re.search(r"[<>*$(){}]|NAME|FILE", path):
            continue  # a pattern
        if not (root / path).exists():
            yield f"{file.relative_to(root)}: `{path}` does not exist"


def shipped_names(text):
    """Names in the first column of tables below a heading "What ships"."""
    below = re.split(r"^## What ships.*$", text, flags=re.M)[1:]
    for part in below:
        for line in re.split(r"^## ", part, flags=re.M)[0].splitlines():
            cells = line.split("|")
            if len(cells) > 2 and not re.match(r"\s*-+\s*$", cells[1]):
                yield from (re.match(r"\w+", s).group(0) for s in CODE_SPAN.findall(cells[1]))


def unknown_names(root, file, sources):
    for name in shipped_names(file.read_text()):
        if not re.search(DECLARED.format(re.escape(name)), sources):
            yield f"{file.relative_to(root)}: {name} is not declared in include/d2c"


def declared_keys(root):
    """{(section, key): default} of every *_config.hpp."""
    keys = {}
    for header in sorted((root / "include/d2c").rglob("*_config.hpp")):
        text = header.read_text()
        section = re.search(r"std::string_view section = \"(\w+)\"", text)
        if not section:
            continue
        for kind, key, default in re.findall(
                r"^  (std::int64_t|int|double|bool|std::string|std::vector<\w+>) (\w+)(?: = ([^;]+))?;",
                text, re.M):
            if not default:
                default = "[]" if kind.startswith("std::vector") else '""'
            keys[section.group(1), key] = default
    return keys


def same_value(written, declared):
    try:
        return float(written) == float(declared)
    except ValueError:
        return written == declared


def wrong_keys(root):
    page = root / "docs/how-to/configuration.md"
    declared = declared_keys(root)
    written = {}
    if page.is_file():
        for part in re.split(r"^## ", page.read_text(), flags=re.M):
            section = re.match(r"`\[(\w+)\]`", part)
            for key, default in re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]*)` \|", part, re.M):
                if section:
                    written[section.group(1), key] = default
    for section, key in sorted(declared.keys() | written.keys()):
        name = f"docs/how-to/configuration.md: [{section}] {key}"
        if (section, key) not in written:
            yield f"{name} is not described"
        elif (section, key) not in declared:
            yield f"{name} is read by no section"
        elif not same_value(written[section, key], declared[section, key]):
            yield (f"{name}: expected the default {declared[section, key]}, "
                   f"found {written[section, key]}")


def wrong_errors(root, sources):
    codes = set(re.findall(r"[\"\[](d2c\.[a-z_]+\.[a-z_]+)[\"\]]", sources))
    pages = {p.stem for p in (root / "docs/errors").glob("d2c.*.md")}
    index = root / "docs/errors/index.md"
    listed = set(re.findall(r"\[(d2c\.[a-z_.]+)\]", index.read_text())) if index.is_file() else set()
    for code in sorted(codes - pages):
        yield f"docs/errors: no page for {code}"
    for code in sorted(pages - listed):
        yield f"docs/errors/index.md: {code} is not listed"


def check(root):
    headers = sorted((root / "include/d2c").rglob("*.hpp"))
    sources = "\n".join(h.read_text() for h in headers)
    files = documents(root)
    found = []
    for file in files:
        found += broken_links(root, file)
        found += missing_paths(root, file)
        found += unknown_names(root, file, sources)
    found += wrong_keys(root)
    found += wrong_errors(root, sources)
    return found, len(files)


def write(root, name, text):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def self_test():
    """Plants one mistake of each kind in a small tree and expects exactly these."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        header = ('struct Euler {};\nstruct C {\n  static constexpr std::string_view section = "run";\n'
                  '\n  double rate = 1e-4; ///< x\n  std::string out;\n};\n// "d2c.a.b"\n')
        page = "# How\n\n## `[run]`\n\n| `rate` | number | `0.0001` | x |\n| `out` | string | `\"\"` | x |\n"
        write(root, "include/d2c/run_config.hpp", header)
        write(root, "docs/how-to/configuration.md", page)
        write(root, "docs/errors/d2c.a.b.md", "# d2c.a.b\n")
        write(root, "docs/errors/index.md", "[d2c.a.b](d2c.a.b.md)\n")
        good = ("# Title\n\n[a](docs/errors/index.md) [b](#what-ships) `docs/errors`\n\n"
                "```\n[x](nowhere.md)\n```\n\n## What ships\n\n| a |\n| --- |\n| `Euler` |\n")
        write(root, "README.md", good)
        found, _ = check(root)
        if found:
            return [f"a tree without a mistake: found {found}"]
        write(root, "README.md", good + "| `Wrong` |\n\n## End\n\n[c](gone.md) [d](#gone) `docs/gone.md`\n")
        write(root, "docs/how-to/configuration.md", page.replace("0.0001", "0.1") + "| `b` | n | `1` | x |\n")
        write(root, "include/d2c/other.hpp", '// "d2c.c.d"\n')
        write(root, "docs/errors/d2c.e.f.md", "# d2c.e.f\n")
        found, _ = check(root)
        wrong = []
        for part in ("gone.md leads nowhere", "#gone names no heading", "`docs/gone.md`", "Wrong is not",
                     "rate: expected", "b is read by no", "no page for d2c.c.d", "d2c.e.f is not listed"):
            if sum(part in sentence for sentence in found) != 1:
                wrong.append(f"expected one sentence with '{part}', found {found}")
        if len(found) != 8:
            wrong.append(f"expected 8 mistakes, found {len(found)}: {found}")
        return wrong


def main():
    parser = argparse.ArgumentParser(description="The documentation test.")
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        wrong = self_test()
        print("\n".join(wrong) or "the documentation test goes red where it must")
        return 1 if wrong else 0
    found, files = check(args.root.resolve())
    print("\n".join(found))
    print(f"{files} files read, {len(found)} mistakes")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
