"""Opens exported denoisers in Python and loads them into the published networks, strictly.

Run by tests/tensor/published_reference_test.cpp with the folder that holds CASE/dit.pt, sit.pt,
repa.pt or reg.pt and CASE.safetensors with input.*, ema.* and model.* (outputs of our side); ends
with an error at the first difference.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file

from published_networks import Network


def check(file, head, part, ours):
    saved = torch.load(file)
    model = Network(head, **saved["args"])
    missing, unexpected = model.load_state_dict(saved[part], strict=True)
    assert not missing and not unexpected
    t = ours["input.t"]
    with torch.no_grad():
        image, projected, token = model.eval()(ours["input.x"], 1 - t if head == "sit" else t,
                                               ours["input.labels"], ours.get("input.class_token"))
    velocity = bool(ours["velocity"])
    found = {"image": -image if head == "sit" and velocity else image}
    if projected:
        found["projected"] = projected[0]
    if token is not None:
        found["class_token"] = token
    for name, value in found.items():
        expected = ours[f"{part}.{name}"]
        error = (value - expected).abs().max() / expected.abs().max()
        assert error < 1e-4, (file, part, name, float(error))
    assert saved["steps"] == 12


folder = pathlib.Path(sys.argv[1])
count = 0
for case in sorted(folder.glob("*.safetensors")):
    for file in sorted((folder / case.stem).glob("*.pt")):
        for part in ("ema", "model"):
            check(file, file.stem, part, load_file(case))
            count += 1
assert count == int(sys.argv[2]), count
