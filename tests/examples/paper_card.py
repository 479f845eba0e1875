"""Runs the paper's pipeline end to end (score, select, attach, train, sample, evaluate) on a small
folder in ImageNet's layout, with files of random weights in the published formats: DiT's flat .pt,
the autoencoder and the T5 encoder as diffusers and transformers write them, the authors' .pth of
DINOv2 and of FID's Inception.

Usage: paper_card.py PROGRAM FOLDER. PROGRAM is paper_card_cut.cpp, whose networks are cut; the same
libraries, with the same files, compute what the stages must have stored.
"""

import csv
import json
import pathlib
import shutil
import subprocess
import sys

import numpy
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import Dinov2Model, T5Config, T5EncoderModel, T5Tokenizer

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reference"))
import dinov2  # noqa: E402
import dit  # noqa: E402
import inception  # noqa: E402
import sd_vae  # noqa: E402
import t5  # noqa: E402

# As in paper_card_cut.cpp.
SCORER = dict(dit.DEFAULTS, depth=2, width=144, heads=2, patch=2, channels=4, image_height=32,
              image_width=32, classes=4, learn_sigma=1)
T5 = dict(vocab_size=640, d_model=64, d_kv=16, d_ff=96, num_heads=6, num_layers=2,
          feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=0, eos_token_id=1)
VISION_WIDTH, VISION_DEPTH = 128, 2
VAE_WIDTHS = (32, 32, 32, 64)
SCALE = 0.18215

SYNSETS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus",
           "n01514668": "cock", "n02119022": "red fox, Vulpes vulpes"}
TRAIN, VAL, KEPT, INTERVAL, SAMPLES = (9, 8, 9, 10), 4, 3, 3, 3
STEPS, EULER_STEPS = 4, 2
STAGES = ("score", "select", "attach", "train", "sample", "evaluate")


def write_images(root):
    """JPEG files of several sizes, one grey, some prepared to 256 pixels by a crop, some by halving."""
    random = numpy.random.default_rng(3)
    for split, counts in (("train", TRAIN), ("val", (VAL,) * len(SYNSETS))):
        number = 0
        for label, (synset, count) in enumerate(zip(SYNSETS, counts)):
            folder = root / split / synset
            folder.mkdir(parents=True)
            for i in range(count):
                grain = random.random((2 + 3 * (i % 4), 3 + label, 3)) * 255
                size = ((320, 256), (256, 300), (600, 540), (257, 389))[(i + label) % 4]
                picture = Image.fromarray(grain.astype(numpy.uint8)).resize(size, Image.BICUBIC)
                number += 1
                name = f"{synset}_{number}.JPEG" if split == "train" else f"ILSVRC2012_val_{number:08}.JPEG"
                (picture.convert("L") if i == 5 else picture).save(folder / name, quality=92)
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{s} {n}\n" for s, n in SYNSETS.items()))


def write_weights(folder):
    """A file for each network, and the networks themselves where the checks ask them."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(17)
    scorer = dit.seeded_weights(SCORER, generator)
    torch.save({k: v.detach().float() for k, v in scorer.items()}, folder / "DiT-XL-2-256x256.pt")

    vae = AutoencoderKL(**sd_vae.config(VAE_WIDTHS, 256)).eval()
    sd_vae.fill(vae, generator)
    vae.save_pretrained(folder)  # diffusion_pytorch_model.safetensors

    t5.train_vocabulary(folder)  # spiece.model
    encoder = T5EncoderModel(T5Config(**T5)).eval()
    t5.random_weights(encoder, generator)
    encoder.save_pretrained(folder, max_shard_size="100KB")  # shards with model.safetensors.index.json

    vision = dinov2.authors_weights(VISION_WIDTH, VISION_DEPTH, 0, False, generator)
    torch.save(vision, folder / "dinov2_vitb14_pretrain.pth")
    torch.save(inception.make_weights(generator), folder / "pt_inception-2015-12-05-6726825d.pth")
    return vae, encoder, vision


def write_config(path, root, weights):
    path.write_text(f"""
[run]
name = "paper-card"
out = "{path.parent / "runs"}"
threads = 2

[data]
root = "{root}"
codec_weights = "{weights}/diffusion_pytorch_model.safetensors"

[score]
checkpoint = "{weights}/DiT-XL-2-256x256.pt"
columns = 4
batch_images = 16

[select]
per_class = {KEPT}

[attach]
text_weights = "{weights}/model.safetensors.index.json"
text_vocabulary = "{weights}/spiece.model"
vision_weights = "{weights}/dinov2_vitb14_pretrain.pth"

[train]
steps = {STEPS}
batch = 6
log_every = 1

[sample]
images_per_class = {SAMPLES}
steps = {EULER_STEPS}
guidance = 1.5

[evaluate]
inception_weights = "{weights}/pt_inception-2015-12-05-6726825d.pth"
""")


class Program:
    def __init__(self, program, config):
        self.program, self.config = program, config

    def __call__(self, command, *arguments, code=0):
        done = subprocess.run([self.program, command, "--config", self.config, *arguments],
                              capture_output=True, text=True)
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def check_names_what_is_missing(run):
    errors = [line for line in run("check", code=2).splitlines() if line.startswith("error: ")]
    places = ("[data] root", "[data] codec_weights", "score.checkpoint", "[attach] text_weights",
              "[attach] text_vocabulary", "[attach] vision_weights", "[evaluate] inception_weights")
    for place in places:
        assert sum(place in line for line in errors) == 1, (place, errors)
    assert len(errors) == len(places), errors


def near(found, expected, relative, what):
    error = (found.double() - expected.double()).norm() / expected.double().norm()
    assert found.shape == expected.shape and error < relative, f"{what}: {found.shape}, {float(error):.2e}"


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def prepared_images(store, split):
    """Prepared images by id, as NumPy [256, 256, 3]."""
    found = {}
    for shard in store.glob("prepare-*/images-*.safetensors"):
        tensors = load_file(shard)
        ids = bytes(tensors["ids"].numpy()).decode().split("\0")[:-1]
        if ids[0].startswith(split + "/"):
            found |= dict(zip(ids, tensors["images"]))
    return found


def check_scores(folder, images):
    scores = rows(folder / "scores" / "scores.csv")
    assert [row["id"] for row in scores] == list(images), "scores.csv lists other images"
    assert all(0 < float(row["score"]) < 100 for row in scores), scores
    subset = rows(folder / "subset.csv")
    assert len(subset) == KEPT * len(SYNSETS), subset
    for label in range(len(SYNSETS)):
        ranked = sorted((row for row in scores if int(row["class"]) == label),
                        key=lambda row: float(row["score"]))
        kept = [row["id"] for row in subset if int(row["class"]) == label]
        assert kept == [ranked[i]["id"] for i in range(0, INTERVAL * KEPT, INTERVAL)], (label, kept)
    return [row["id"] for row in subset]


@torch.no_grad()
def check_pack(folder, weights, images, kept, vae, encoder, vision):
    pack = load_file(folder / "condensed" / "condensed.safetensors")
    assert pack["labels"].tolist() == sorted(list(range(len(SYNSETS))) * KEPT)
    pixels = torch.stack([images[name] for name in kept])

    some = [0, len(kept) - 1]
    expected = vae.encode(pixels[some] / 127.5 - 1).latent_dist.mode() * SCALE
    assert pack["latents"].shape == (len(kept), 4, 32, 32)
    near(pack["latents"][some], expected, 1e-4, "latents")

    prompts = [f"a photo of a {names.split(',')[0]}" for names in SYNSETS.values()]
    tokens = T5Tokenizer.from_pretrained(weights)(prompts, padding="max_length", max_length=16,
                                                  truncation=True, return_tensors="pt")
    states = encoder(**tokens).last_hidden_state
    assert torch.equal(pack["text_mask"], tokens.attention_mask.float())
    near(pack["text_tokens"], states, 1e-4, "text tokens")

    network = dinov2_network(folder.parent, vision)
    positions = dinov2.repa_positions(vision["pos_embed"], 16)
    network.embeddings.interpolate_pos_encoding = lambda *_: positions
    tokens = network(dinov2.repa_input(pixels.float(), 224)).last_hidden_state[:, 1:]
    near(pack["visual_tokens"], tokens, 1e-4, "visual tokens")


def dinov2_network(scratch, weights):
    dinov2.CASES["cut"] = (VISION_WIDTH, VISION_DEPTH, 0, False)
    network = dinov2.transformers_model(scratch, "cut", dinov2.transformers_names(weights))
    assert isinstance(network, Dinov2Model)
    return network


def check_training(folder):
    losses = rows(folder / "checkpoints" / "loss.csv")
    assert len(losses) == STEPS, losses
    for row in losses:
        assert all(numpy.isfinite(float(value)) for value in row.values()), row
        assert -1 <= float(row["align"]) <= 1 and float(row["denoise"]) > 0, row
    with safe_open(folder / "checkpoints" / "final.safetensors", "pt") as file:
        names = set(file.keys())
        assert all(torch.isfinite(file.get_tensor(name)).all() for name in names)
    for part in ("y_embedder.text_conv.weight", "projectors.0.4.bias", "final_layer.linear.weight"):
        assert any(name.endswith(part) for name in names), (part, sorted(names))


def check_samples(folder):
    with numpy.load(folder / "samples" / "samples.npz") as file:
        images, labels = file["arr_0"], file["arr_1"]
    count = SAMPLES * len(SYNSETS)
    assert images.shape == (count, 256, 256, 3) and images.dtype == numpy.uint8
    assert numpy.array_equal(numpy.bincount(labels), [SAMPLES] * len(SYNSETS))
    assert all(image.std() > 0 for image in images) and len({image.tobytes() for image in images}) == count
    calls = load_file(folder / "samples" / "samples.safetensors")["network_calls"]
    assert set(calls.tolist()) == {2 * EULER_STEPS}, calls
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def distance(left, right):
    """Frechet distance of two small sets: the eigenvalues of the product of their covariances are
    the squared singular values of the product of their centred features."""
    def centred(features):
        return (features - features.mean(0)) / (len(features) - 1) ** 0.5

    left, right = left.double(), right.double()
    a, b = centred(left), centred(right)
    return float((left.mean(0) - right.mean(0)).square().sum() + a.square().sum() + b.square().sum()
                 - 2 * torch.linalg.svdvals(a @ b.T).sum())


def check_metrics(folder, weights, samples, held_out):
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text())
    assert (metrics["images"], metrics["samples"], metrics["held_out"]) == \
        (KEPT * len(SYNSETS), SAMPLES * len(SYNSETS), VAL * len(SYNSETS)), metrics
    for name in ("fid_training", "sfid_training", "inception_score", "precision", "recall"):
        assert 0 <= metrics[name] < float("inf"), metrics
    network = inception.torch_fidelity_network(weights / "pt_inception-2015-12-05-6726825d.pth",
                                               ("2048", "logits_unbiased"))
    pools, _, spatial = zip(*(inception.fidelity_features(network, images)
                              for images in (samples, held_out)))
    for name, features in (("fid", pools), ("sfid", spatial)):
        expected = distance(*features)
        assert abs(metrics[name] - expected) < 1e-3 * expected, (name, metrics[name], expected)


def finished(store):
    return {path.parent.name: path.read_text() + str(path.stat().st_mtime_ns)
            for path in store.glob("*/done.json")}


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.set_num_threads(2)
    root, weights, out = folder / "imagenet", folder / "weights", folder / "runs"
    write_config(folder / "paper_card.toml", root, weights)
    run = Program(program, folder / "paper_card.toml")
    check_names_what_is_missing(run)

    write_images(root)
    networks = write_weights(weights)
    assert "no problems found" in run("check")
    plan = run("plan")
    print(plan)
    assert f"Sampler<Euler> asks networks {2 * EULER_STEPS} times" in plan and "missing" not in plan
    for number, stage in enumerate(STAGES):
        run(stage)
        kinds = sorted(name.rsplit("-", 1)[0] for name in finished(out / "store"))
        assert kinds == sorted(STAGES[:number + 1]), kinds

    results, store = out / "paper-card", out / "store"
    images = prepared_images(store, "train")
    assert len(images) == sum(TRAIN)
    kept = check_scores(results, images)
    check_pack(results, weights, images, kept, *networks)
    check_training(results)
    samples = check_samples(results)
    held_out = torch.stack(list(prepared_images(store, "val").values()))
    check_metrics(results, weights, samples, held_out)

    before = finished(store)
    print(run("run"))
    assert finished(store) == before, "the second run did a stage again"
    assert (results / "report.html").stat().st_size > 10000


if __name__ == "__main__":
    main()
