#!/usr/bin/env python3
"""Runs d2c-evaluate on archives and folders and compares its numbers with those that torch-fidelity,
pytorch-fid, scipy and numpy gave for the same images and weights: tests/reference/inception.py and
dinov2_features.py wrote them.

    evaluate.py PROGRAM REFERENCE_FOLDER SCRATCH_FOLDER"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytorch_fid.fid_score
from safetensors.torch import load_file


def main(program, references, scratch):
    references, scratch = Path(references), Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    inception, dinov2 = references / "inception", references / "dinov2_features"
    of_inception = load_file(inception / "inception.safetensors")
    of_dinov2 = load_file(dinov2 / "dinov2_features.safetensors")

    def judge(*arguments):
        file = scratch / "numbers.json"
        done = subprocess.run([program, *map(str, arguments), "--json", file, "--quiet"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "", done.stderr
        result = json.loads(file.read_text())
        for name, value in result["metrics"].items():
            line = next(s for s in done.stdout.splitlines() if s.split()[:1] == [name])
            assert abs(float(line.split()[1]) - value) <= 1e-5 * abs(value), line
        return result

    def same(found, expected, relative):
        assert abs(found - float(expected)) <= relative * abs(float(expected)), (found, expected)

    weights = ["--inception", inception / "inception.pth"]

    # ADM's evaluator: an archive with moments as reference, a folder as samples.
    share = of_inception["samples.logits"].double().softmax(1)
    score = (share * (share.log() - share.mean(0).log())).sum(1).mean().exp()
    archive = scratch / "reference.npz"
    result = judge(inception / "samples", inception / "batch.npz", *weights, "--metrics",
                   "fid,sfid,is,precision,recall,density,coverage", "--write-reference", archive)
    numbers = result["metrics"]
    assert result["samples"]["images"] == 60 and result["reference"]["images"] == 52
    assert result["convention"] == "adm"
    same(numbers["fid"], of_inception["fid"], 1e-4)
    same(numbers["sfid"], of_inception["sfid"], 1e-4)
    same(numbers["inception_score"], score, 1e-4)
    for name, value in zip(("precision", "recall"), of_inception["overlap.3"]):
        same(numbers[name], value, 1e-12)
    for name, value in zip(("density", "coverage"), of_inception["density.5"]):
        same(numbers[name], value, 1e-12)

    # The archive that it wrote is one that numpy reads and that judges alike.
    with np.load(inception / "batch.npz") as given, np.load(archive) as written:
        assert sorted(written.files) == ["arr_0", "mu", "mu_s", "sigma", "sigma_s"]
        assert (written["arr_0"] == given["arr_0"]).all()
        assert np.allclose(written["sigma"], given["sigma"], rtol=1e-6)
        np.savez(scratch / "samples.npz", arr_0=of_inception["samples"].permute(0, 2, 3, 1).numpy(),
                 arr_1=np.arange(60))
        np.savez(scratch / "moments.npz", mu=written["mu"], sigma=written["sigma"])
    result = judge(scratch / "samples.npz", scratch / "moments.npz", *weights, "--metrics", "fid",
                   "--batch", 13)
    same(result["metrics"]["fid"], of_inception["fid"], 1e-4)
    assert result["reference"]["images"] == 0

    # torch-fidelity: moments of the images themselves. Precision and recall, which it takes on VGG-16
    # by itself, are those of a call that names Inception.
    fidelity = ["--convention", "torch-fidelity", "--kid-subsets", 7, "--kid-subset-size", 40]
    numbers = judge(scratch / "samples.npz", inception / "reference", *weights, *fidelity,
                    "--batch", 17)["metrics"]
    assert list(numbers) == ["fid", "inception_score", "inception_score_deviation", "kid",
                             "kid_deviation"]
    same(numbers["fid"], of_inception["fid"], 1e-4)
    same(numbers["inception_score"], of_inception["isc"][0], 1e-4)
    same(numbers["kid"], of_inception["kid"][0], 1e-4)
    numbers = judge(scratch / "samples.npz", inception / "reference", *weights, *fidelity, "--metrics",
                    "fid,is,precision,recall")["metrics"]
    same(numbers["fid"], of_inception["call.fid"], 1e-4)
    same(numbers["inception_score"], of_inception["call.isc"], 1e-4)
    same(numbers["precision"], of_inception["call.precision"], 1e-6)
    same(numbers["recall"], of_inception["call.recall"], 1e-6)

    # pytorch-fid: from folders; its own files of moments hold nothing else.
    file = scratch / "pytorch_fid.npz"
    convention = ["--convention", "pytorch-fid"]
    judge(inception / "reference", *weights, *convention, "--write-reference", file)
    with np.load(file) as written:
        assert sorted(written.files) == ["mu", "sigma"]
    same(judge(inception / "samples", file, *weights, *convention)["metrics"]["fid"],
         of_inception["pytorch_fid"], 1e-4)

    # Moments stand for either set, as pytorch-fid reads them from a file in either place.
    of_samples = scratch / "pytorch_fid_samples.npz"
    judge(inception / "samples", *weights, *convention, "--write-reference", of_samples)
    moments = []
    for each in (of_samples, file):
        with np.load(each) as written:
            moments += [written["mu"], written["sigma"]]
    expected = pytorch_fid.fid_score.calculate_frechet_distance(*moments)
    same(expected, of_inception["pytorch_fid"], 1e-4)
    for pair in ((of_samples, file), (of_samples, inception / "reference")):
        same(judge(*pair, *weights, *convention)["metrics"]["fid"], expected, 1e-4)
    done = subprocess.run([program, of_samples, inception / "reference", *map(str, weights),
                           "--metrics", "precision"], capture_output=True, text=True)
    assert done.returncode == 2 and "expected images (arr_0)" in done.stderr, done.stderr

    # DINOv2: FD-DINOv2 and the copies, with held-out images and without.
    weights = ["--dinov2", dinov2 / "dinov2.pth", "--copy-percentile", 20]
    result = judge(dinov2 / "samples.npz", dinov2 / "training", *weights, "--metrics",
                   "fd-dinov2,copies", "--held-out", dinov2 / "held_out")
    numbers = result["metrics"]
    assert result["networks"][0]["name"].startswith("DINOv2 of width 384 with 2 blocks")
    same(numbers["frechet_dinov2"], of_dinov2["fd"], 1e-4)  # FD-DINOv2 is that of ViT-L/14 alone
    assert "fd_dinov2" not in numbers
    same(numbers["copies"], of_dinov2["held_out.share"], 1e-12)
    same(numbers["copies_threshold"], of_dinov2["held_out.threshold"], 1e-4)
    order = of_dinov2["distance"].argsort()
    for found, at in zip(result["nearest"], order.tolist()):
        assert found["sample"] == str(at)
        assert found["reference"] == f"{of_dinov2['index'][at]:03}.png"
        same(found["distance"], of_dinov2["distance"][at], 1e-4)
    assert len(result["nearest"]) == 20
    numbers = judge(dinov2 / "samples.npz", dinov2 / "training", *weights, "--metrics",
                    "copies")["metrics"]
    same(numbers["copies"], of_dinov2["training.share"], 1e-12)
    same(numbers["copies_threshold"], of_dinov2["training.threshold"], 1e-4)

    # Errors: one sentence, code 2; and progress with the time that is left.
    done = subprocess.run([program, "nowhere", dinov2 / "training"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.startswith("error: nowhere: expected an .npz archive"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    copies = [program, dinov2 / "samples.npz", dinov2 / "training", *map(str, weights), "--metrics",
              "copies"]
    done = subprocess.run(copies, capture_output=True, text=True)
    assert done.returncode == 0 and "left" in done.stderr, done.stderr
    # A file that cannot be written costs no number.
    table = done.stdout
    done = subprocess.run([*copies, "--quiet", "--json", scratch / ("x" * 300)], capture_output=True,
                          text=True)
    assert done.returncode == 1 and "xxx" in done.stderr and done.stdout == table, done


if __name__ == "__main__":
    main(*sys.argv[1:])
