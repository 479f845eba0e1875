"""Opens in Python what our side wrote (ours.safetensors, .npz, .png, .csv) into a folder.

Run by tests/tensor/formats_reference_test.cpp; ends with an error at the first difference.
"""

import csv
import math
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

folder = pathlib.Path(sys.argv[1])

tensors = load_file(folder / "ours.safetensors")
base = torch.arange(24, dtype=torch.float32)
expected = {
    "float32": base.view(2, 3, 4) / 7,
    "transposed": (base.view(4, 6) / 7).t().contiguous(),
    "float16": base.half(),
    "bfloat16": base.bfloat16(),
    "float64": base.double() / 7,
    "int64": base.long() - 12,
    "uint8": base.to(torch.uint8),
    "bool": base > 11,
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
}
assert tensors.keys() == expected.keys(), tensors.keys()
for name, value in expected.items():
    assert tensors[name].dtype == value.dtype, name
    assert tensors[name].shape == value.shape, name
    assert torch.equal(tensors[name], value), name
with safe_open(folder / "ours.safetensors", "pt") as file:
    assert file.metadata() == {"step": "7", "note": 'größer, "quoted"'}, file.metadata()

with np.load(folder / "ours.npz") as arrays:
    assert arrays.files == ["arr_0", "arr_1"], arrays.files
    images = (np.arange(2 * 4 * 5 * 3) % 256).astype(np.uint8).reshape(2, 4, 5, 3)
    assert arrays["arr_0"].dtype == np.uint8 and np.array_equal(arrays["arr_0"], images)
    assert arrays["arr_1"].dtype == np.int64 and np.array_equal(arrays["arr_1"], [3, -7])

for name, mode in (("ours_grey.png", "L"), ("ours_rgb.png", "RGB")):
    picture = Image.open(folder / name)
    assert picture.mode == mode, picture.mode
    channels = len(mode)
    values = (np.arange(6 * 5 * channels) * 7 % 256).astype(np.uint8)
    assert np.array_equal(np.asarray(picture).reshape(-1), values), name
    assert picture.size == (5, 6)

with open(folder / "ours.csv", newline="") as file:
    rows = list(csv.reader(file))
assert rows[0] == ["text", "number"], rows
assert [row[0] for row in rows[1:]] == ["a, b", 'say "hi"', "two\nlines", ""], rows
assert [float(row[1]) for row in rows[1:4]] == [0.1 + 0.2, math.nextafter(1, 2), 1e-300], rows
assert rows[4][1] == "", rows
