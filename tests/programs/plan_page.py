"""Compares the plan that docs/tutorial/imagenet.md shows with what `paper_card plan` prints where no file
is there yet: every stage with its memory and disk, the totals, and the list of files. Times depend on
the machine and are left out.

Usage: plan_page.py PROGRAM CONFIG PAGE FOLDER. FOLDER is empty and holds no file of the configuration.
"""

import pathlib
import re
import subprocess
import sys

TIME = re.compile(r" +\d+(\.\d)? (s|min|h|days)(?=[ ,])")


def without_times(text):
    return [TIME.sub("", line, count=1) for line in text.rstrip().splitlines()]


def main():
    program, config, page, folder = sys.argv[1:]
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    done = subprocess.run([program, "plan", "--config", config, "--device", "cpu"], cwd=folder, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    printed, _, measured = done.stdout.partition("\nmeasured on cpu:")
    assert measured, done.stdout
    blocks = re.findall(r"^```text\n(arm .*?)^```$", pathlib.Path(page).read_text(), re.M | re.S)
    assert len(blocks) == 1, f"{page}: expected one block with a plan, found {len(blocks)}"
    shown, printed = without_times(blocks[0]), without_times(printed)
    assert shown == printed, "\n".join(
        [f"{page}: expected the plan that the program prints"]
        + [f"- {line}" for line in shown if line not in printed]
        + [f"+ {line}" for line in printed if line not in shown])


if __name__ == "__main__":
    main()
