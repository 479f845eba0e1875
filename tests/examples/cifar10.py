"""Runs the CIFAR-10 study end to end on a small set in CIFAR-10's format, written from Fashion-MNIST.

Usage: cifar10.py SCRIPT PROGRAMS FOLDER. The script runs all three arms with a few steps; the test
looks at the table and at what each arm selected.
"""

import csv
import gzip
import pathlib
import shutil
import subprocess
import sys

import numpy

GARMENTS = pathlib.Path("/usr/share/datasets/fashion-mnist")
TRAIN_PER_CLASS, TEST_PER_CLASS, KEPT = 15, 5, 3
SMALL = {
    "run.device": "cpu", "score.steps": 2, "score.batch": 4, "score.columns": 2, "score.warmup": 0,
    "select.per_class": KEPT, "select.interval": 4, "train.steps": 3, "train.batch": 4,
    "train.checkpoint_every": 3, "sample.images_per_class": 1, "sample.steps": 2, "sample.batch": 10,
    "evaluate.resolution": 64,
}


def garments(split):
    """Images [n, 28, 28] and labels [n] of Fashion-MNIST."""
    images = gzip.decompress((GARMENTS / f"{split}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((GARMENTS / f"{split}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return numpy.frombuffer(images, numpy.uint8).reshape(-1, 28, 28), numpy.frombuffer(labels, numpy.uint8)


def records(split, per_class):
    """CIFAR-10 records [n, 3073]: a label, then 1024 bytes of red, green and blue."""
    images, labels = garments(split)
    chosen = numpy.sort(numpy.concatenate([numpy.flatnonzero(labels == c)[:per_class] for c in range(10)]))
    padded = numpy.pad(images[chosen], ((0, 0), (2, 2), (2, 2)))
    colour = numpy.stack([padded, 255 - padded, padded // 2], 1).reshape(len(chosen), 3072)
    return numpy.concatenate([labels[chosen, None], colour], 1)


def write_set(root):
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for number, part in enumerate(numpy.array_split(records("train", TRAIN_PER_CLASS), 5), 1):
        part.tofile(folder / f"data_batch_{number}.bin")
    records("t10k", TEST_PER_CLASS).tofile(folder / "test_batch.bin")


def selected(out, program):
    """Rows of subset.csv of an arm, by class."""
    classes = {}
    with open(out / f"{program}-0" / "subset.csv", newline="") as file:
        for row in csv.DictReader(file):
            classes.setdefault(row["class"], []).append(row)
    return classes


def main():
    script, programs, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    write_set(folder / "data")
    out = folder / "runs"
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    subprocess.run([sys.executable, script, "--data", folder / "data", "--out", out, "--programs", programs, *settings],
                   check=True)

    table = (out / "table.md").read_text()
    assert all(f"| {arm} |" in table for arm in ("random", "d2c", "full")), table
    assert "nan" not in table and "inf" not in table, table
    for program, count in (("cifar10_random", KEPT), ("cifar10_d2c", KEPT), ("cifar10_full", TRAIN_PER_CLASS)):
        classes = selected(out, program)
        assert len(classes) == 10 and all(len(rows) == count for rows in classes.values()), (program, classes)
    ranks = {tuple(row["rank"] for row in rows) for rows in selected(out, "cifar10_d2c").values()}
    assert ranks == {("0", "4", "8")}, ranks
    print(table)


if __name__ == "__main__":
    main()
