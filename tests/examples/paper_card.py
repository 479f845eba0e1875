"""Runs the paper's pipeline end to end (score, select, attach, train, sample, evaluate) on a small
folder in ImageNet's layout, with files of random weights in the published formats: DiT's flat .pt,
the autoencoder and the T5 encoder as diffusers and transformers write them, the authors' .pth of
DINOv2 and of FID's Inception.

Usage: paper_card.py PROGRAM FOLDER. PROGRAM is paper_card_cut.cpp, whose networks are cut; the same
libraries, with the same files, compute what the stages must have stored: the denoising losses, the
kept ranks, latents and tokens, the metrics; the exported denoiser loads into SiT's and REPA's modules.
Then the first four stages run again without a source in their type, with the autoencoder in its
published size, and the pipeline of published sizes says what it needs.
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
import published_networks  # noqa: E402
import sd_vae  # noqa: E402
import t5  # noqa: E402

# As in paper_card_cut.cpp.
SCORER = dict(dit.DEFAULTS, depth=2, width=144, heads=2, patch=2, channels=4, image_height=32,
              image_width=32, classes=4, learn_sigma=1)
T5 = dict(vocab_size=640, d_model=64, d_kv=16, d_ff=96, num_heads=6, num_layers=2,
          feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=0, eos_token_id=1)
VISION_WIDTH, VISION_DEPTH = 128, 2
VAE_WIDTHS, PUBLISHED_VAE_WIDTHS = (32, 32, 32, 64), (128, 256, 512, 512)
SCALE = 0.18215

SYNSETS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus",
           "n01514668": "cock", "n02119022": "red fox, Vulpes vulpes"}
TRAIN, VAL, KEPT, INTERVAL, SAMPLES = (9, 8, 9, 10), 4, 3, 3, 3
STEPS, EULER_STEPS, COLUMNS, NEIGHBOURS = 4, 2, 4, 3
FEW = 2  # images of a class in the run of four stages
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


def write_vae(folder, widths, generator):
    vae = AutoencoderKL(**sd_vae.config(widths, 256)).eval()
    sd_vae.fill(vae, generator)
    vae.save_pretrained(folder)  # diffusion_pytorch_model.safetensors
    return vae


def write_weights(folder):
    """A file for each network, and the networks themselves where the checks ask them."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(17)
    scorer = dit.seeded_weights(SCORER, generator)
    torch.save({k: v.detach().float() for k, v in scorer.items()}, folder / "DiT-XL-2-256x256.pt")

    vae = write_vae(folder, VAE_WIDTHS, generator)

    t5.train_vocabulary(folder)  # spiece.model
    encoder = T5EncoderModel(T5Config(**T5)).eval()
    t5.random_weights(encoder, generator)
    encoder.save_pretrained(folder, max_shard_size="100KB")  # shards with model.safetensors.index.json

    vision = dinov2.authors_weights(VISION_WIDTH, VISION_DEPTH, 0, False, generator)
    torch.save(vision, folder / "dinov2_vitb14_pretrain.pth")
    torch.save(inception.make_weights(generator), folder / "pt_inception-2015-12-05-6726825d.pth")
    return scorer, vae, encoder, vision


def write_config(path, root, weights):
    """As configs/paper_card.toml, with small numbers."""
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
columns = {COLUMNS}
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
accumulate = 2
log_every = 1

[sample]
images_per_class = {SAMPLES}
steps = {EULER_STEPS}
guidance = 1.5
guidance_channels = 3

[evaluate]
inception_weights = "{weights}/pt_inception-2015-12-05-6726825d.pth"
neighbours = {NEIGHBOURS}
""")


def write_four_stage_config(path, root, weights, vae):
    path.write_text(f"""
[run]
name = "four-stages"
out = "{path.parent / "runs"}"
threads = 2

[data]
dataset = "image-folder"
root = "{root}"
classes = {len(SYNSETS)}
image_size = 256
limit_per_class = {FEW}
codec_weights = "{vae}/diffusion_pytorch_model.safetensors"

[score]
checkpoint = "{weights}/DiT-XL-2-256x256.pt"
columns = {COLUMNS}

[select]
per_class = 1

[attach]
text_weights = "{weights}/model.safetensors.index.json"
text_vocabulary = "{weights}/spiece.model"
vision_weights = "{weights}/dinov2_vitb14_pretrain.pth"

[train]
steps = {STEPS}
batch = 4
log_every = 1
""")


class Program:
    def __init__(self, program, pipeline, config):
        self.words, self.config = [program, pipeline], config

    def __call__(self, command, *arguments, code=0):
        done = subprocess.run([*self.words, command, "--config", self.config, *arguments],
                              capture_output=True, text=True)
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


PLACES = ("[data] root", "[data] codec_weights", "score.checkpoint", "[attach] text_weights",
          "[attach] text_vocabulary", "[attach] vision_weights")


def check_names_what_is_missing(run, places):
    errors = [line for line in run("check", code=2).splitlines() if line.startswith("error: ")]
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


def philox_normals(seed, stream, step, sample, count):
    """The standard normals that d2c draws for these names (core/rng.hpp): Philox4x32-10 of Salmon et
    al. 2011 by its definition, then Box-Muller in float64."""
    low = numpy.uint64(0xFFFFFFFF)
    c = [numpy.full(count // 4, value, numpy.uint64) for value in (0, sample, step, stream)]
    c[0] = numpy.arange(count // 4, dtype=numpy.uint64)
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        c = [(q >> numpy.uint64(32)) ^ c[1] ^ numpy.uint64(key[0]), q & low,
             (p >> numpy.uint64(32)) ^ c[3] ^ numpy.uint64(key[1]), p & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    u = [((word >> numpy.uint64(9)).astype(float) + 0.5) * 2.0 ** -23 for word in c]
    radii = [numpy.sqrt(-2 * numpy.log(u[i])) for i in (0, 2)]
    angles = [2 * numpy.pi * u[i] for i in (1, 3)]
    return numpy.stack([radii[0] * numpy.cos(angles[0]), radii[0] * numpy.sin(angles[0]),
                        radii[1] * numpy.cos(angles[1]), radii[1] * numpy.sin(angles[1])], 1).ravel()


@torch.no_grad()
def denoising_losses(scorer, vae, images, labels):
    """Mean loss of Eq. 7 of images under DiT's schedule: times (q + 0.5) / pairs, each with a noise and
    its negative, which all images share."""
    latents = (vae.encode(images / 127.5 - 1).latent_dist.mode() * SCALE).double()
    kept = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)
    pairs, losses = COLUMNS // 2, []
    for q in range(pairs):
        time = (q + 0.5) / pairs
        normals = philox_normals(0, 8, round(time * 2 ** 20) << 11, 0, latents[0].numel())
        step = int(1000 * time)
        for noise in (torch.from_numpy(normals).reshape(latents[0].shape) * sign for sign in (1, -1)):
            noisy = kept[step].sqrt() * latents + (1 - kept[step]).sqrt() * noise
            predicted, _ = dit.network(scorer, SCORER, noisy, torch.full((len(images),), float(step)),
                                       labels, None, None, None)
            losses.append((noise - predicted[:, :4]).square().mean((1, 2, 3)))
    return torch.stack(losses).mean(0)


def check_scores(folder, images, per_class, scorer, vae):
    scores = rows(folder / "scores" / "scores.csv")
    assert [row["id"] for row in scores] == list(images), "scores.csv lists other images"
    some = [scores[0], scores[-1]]  # of two classes and, where there are more, of two batches
    expected = denoising_losses(scorer, vae, torch.stack([images[row["id"]] for row in some]),
                                torch.tensor([int(row["class"]) for row in some]))
    near(torch.tensor([float(row["score"]) for row in some]), expected, 1e-4, "scores")
    subset = rows(folder / "subset.csv")
    assert len(subset) == per_class * len(SYNSETS), subset
    for label in range(len(SYNSETS)):
        ranked = sorted((row for row in scores if int(row["class"]) == label),
                        key=lambda row: float(row["score"]))
        kept = [row["id"] for row in subset if int(row["class"]) == label]
        assert kept == [ranked[i]["id"] for i in range(0, INTERVAL * per_class, INTERVAL)], (label, kept)
    return [row["id"] for row in subset]


@torch.no_grad()
def check_pack(folder, weights, images, kept, names, vae, encoder, vision):
    pack = load_file(folder / "condensed" / "condensed.safetensors")
    assert pack["labels"].tolist() == sorted(list(range(len(names))) * (len(kept) // len(names)))
    pixels = torch.stack([images[name] for name in kept])

    some = [0, len(kept) - 1]
    expected = vae.encode(pixels[some] / 127.5 - 1).latent_dist.mode() * SCALE
    assert pack["latents"].shape == (len(kept), 4, 32, 32)
    near(pack["latents"][some], expected, 1e-4, "latents")

    prompts = [f"a photo of a {name}" for name in names]
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


@torch.no_grad()
def check_export(run, folder):
    """The modules of SiT and REPA take the exported weights strictly and compute with them; times and
    velocities of the two run against each other."""
    files = [pathlib.Path(line) for line in run("export", "--quiet").splitlines()]
    assert files == [folder / "exported" / name for name in ("sit.pt", "repa.pt")], files
    generator = torch.Generator().manual_seed(5)
    x, t = torch.randn(2, 4, 32, 32, generator=generator), torch.tensor([0.25, 0.5])
    velocities = []
    for file, time, sign in zip(files, (1 - t, t), (-1, 1)):
        saved = torch.load(file)
        network = published_networks.Network(file.stem, **saved["args"]).eval()
        for part in ("model", "ema"):
            network.load_state_dict(saved[part], strict=True)
        image, projected, _ = network(x, time, torch.tensor([0, 3]))
        assert saved["steps"] == STEPS
        assert (projected is None) == (file.stem == "sit") or projected[0].shape == (2, 256, VISION_WIDTH)
        velocities.append(sign * image)
    near(velocities[0], velocities[1], 1e-4, "velocities of sit.pt and repa.pt")


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


class Features:
    """Pool, logits and spatial features of sets of images, by torch-fidelity."""

    def __init__(self, weights, **sets):
        network = inception.torch_fidelity_network(weights / "pt_inception-2015-12-05-6726825d.pth",
                                                   ("2048", "logits_unbiased"))
        parts = {name: inception.fidelity_features(network, images) for name, images in sets.items()}
        self.pool, self.logits, self.spatial = ({name: part[i] for name, part in parts.items()}
                                                for i in range(3))


def check_metrics(folder, features, held_out):
    """The numbers of ADM's evaluator; `held_out` names the sets whose moments samples are compared with."""
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text())
    assert (metrics["images"], metrics["samples"], metrics["held_out"]) == \
        (KEPT * len(SYNSETS), SAMPLES * len(SYNSETS), VAL * len(SYNSETS)), metrics
    expected = {}
    for name, sets in (("fid", features.pool), ("sfid", features.spatial)):
        others = torch.cat([sets[other] for other in held_out])
        expected |= {name: distance(sets["samples"], others),
                     name + "_training": distance(sets["kept"], others)}
    share = features.logits["samples"].double().softmax(1)
    expected["inception_score"] = float(
        (share * (share.log() - share.mean(0).log())).sum(1).mean().exp())
    for name, value in expected.items():
        assert abs(metrics[name] - value) < 1e-4 * value, (name, metrics[name], value)
    overlap = inception.overlap(features.pool["val"].numpy(), features.pool["samples"].numpy(), NEIGHBOURS)
    assert (metrics["precision"], metrics["recall"]) == overlap, (metrics, overlap)
    return metrics


def write_reference(path, images, features, held_out):
    """A reference batch as ADM's: images, and the moments of more than those."""
    moments = {}
    for end, sets in (("", features.pool), ("_s", features.spatial)):
        values = torch.cat([sets[name] for name in held_out]).double().numpy()
        moments |= {"mu" + end: values.mean(0), "sigma" + end: numpy.cov(values, rowvar=False)}
    numpy.savez(path, arr_0=images.permute(0, 2, 3, 1).numpy(), **moments)


def check_reference_batch(run, root, path, results, features, held_out):
    """[evaluate] reference stands for the validation images, which need not be there any more."""
    sets = ("val", "kept")
    write_reference(path, held_out, features, sets)
    reference = ("--set", f"evaluate.reference={path}")
    (root / "val").rename(root / "away")
    missing = run("check", code=2)
    assert missing.count("error: ") == 1 and "found none" in missing, missing
    assert "no problems found" in run("check", *reference)
    run("evaluate", *reference)
    assert check_metrics(results, features, sets)["reference"] == path.name
    (root / "away").rename(root / "val")


def check_four_stages(program, folder, root, weights, scorer, encoder, vision):
    """The first four stages, with data set and codec by [data] alone."""
    vae = write_vae(folder / "vae", PUBLISHED_VAE_WIDTHS, torch.Generator().manual_seed(19))
    write_four_stage_config(folder / "four_stages.toml", root, weights, folder / "vae")
    run = Program(program, "four-stages", folder / "four_stages.toml")
    assert "no problems found" in run("check")
    assert "missing" not in run("plan")
    for command, stage in (("sample", "a Sampler"), ("evaluate", "an Evaluator")):
        assert run(command, code=2) == f"error: {command}: expected a pipeline with {stage}, found none\n"
    before = set(finished(folder / "runs" / "store"))
    run("train")
    results, store = folder / "runs" / "four-stages", folder / "runs" / "store"
    made = sorted(name.rsplit("-", 1)[0] for name in set(finished(store)) - before)
    assert made == sorted(STAGES[:4]), made
    prepared = prepared_images(store, "train")
    images = {row["id"]: prepared[row["id"]] for row in rows(results / "scores" / "scores.csv")}
    assert len(images) == FEW * len(SYNSETS)
    kept = check_scores(results, images, 1, scorer, vae)
    check_pack(results, weights, images, kept, list(SYNSETS), vae, encoder, vision)
    check_training(results)


def check_published(program, folder):
    """The published sizes are described without a file, and checked and planned without any there."""
    described = subprocess.run([program, "published", "describe"], capture_output=True, text=True, check=True)
    for text in ("Source<>", "Scorer<DiT-XL/2", "Interval<96>", "Trainer<SiT-L/2",
                 "published weights: DiT-XL-2-256x256.pt", "T5: 1 223 527 424 parameters",
                 "DINOv2: 86 579 712 parameters", "SDVae"):
        assert text in described.stdout, (text, described.stdout)
    empty = folder / "empty"
    empty.mkdir()
    write_config(empty / "published.toml", empty / "imagenet", empty / "weights")
    text = (empty / "published.toml").read_text()
    (empty / "published.toml").write_text(text[:text.index("[sample]")])
    run = Program(program, "published", empty / "published.toml")
    check_names_what_is_missing(run, PLACES)
    plan = run("plan", "--device", "cpu")
    assert [line.split()[1] for line in plan.splitlines() if line.startswith("paper-card")] == \
        ["prepare", *STAGES[:4]], plan
    assert plan.count(" missing ") == len(PLACES) and " there " not in plan, plan


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
    run = Program(program, "cut", folder / "paper_card.toml")
    check_names_what_is_missing(run, (*PLACES, "[evaluate] inception_weights"))

    write_images(root)
    scorer, vae, encoder, vision = write_weights(weights)
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
    kept = check_scores(results, images, KEPT, scorer, vae)
    names = [names.split(",")[0] for names in SYNSETS.values()]
    check_pack(results, weights, images, kept, names, vae, encoder, vision)
    check_training(results)
    check_export(run, results)
    held_out = torch.stack(list(prepared_images(store, "val").values()))
    features = Features(weights, samples=check_samples(results), val=held_out,
                        kept=torch.stack([images[name] for name in kept]))
    check_metrics(results, features, ("val",))

    before = finished(store)
    print(run("run"))
    assert finished(store) == before, "the second run did a stage again"
    assert (results / "report.html").stat().st_size > 10000

    check_reference_batch(run, root, folder / "reference.npz", results, features, held_out)
    check_four_stages(program, folder, root, weights, scorer, encoder, vision)
    check_published(program, folder)


if __name__ == "__main__":
    main()
