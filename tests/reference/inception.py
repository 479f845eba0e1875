"""Oracle for Inception-v3 and the metrics on it: torch-fidelity and pytorch-fid on the same images and
the same seeded weights, which are written in the published layout (inception.pth). Writes further
half.safetensors (in half precision), torchvision.pth (another network), batch.npz and
inception.safetensors into the folder given as the first argument. Density and coverage are loops over
pairs, and RandomState is numpy's own."""

import sys
from pathlib import Path

import numpy as np
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch
import torch.nn.functional as F
import torch_fidelity
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

SAMPLES, REFERENCE, BATCH = 60, 52, 20
KID = dict(kid_subsets=7, kid_subset_size=40, rng_seed=2020, verbose=False, kid_kernel="poly",
           kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)


def make_images(count, contrast, generator):
    """Noise of very different sizes, colours and contrasts, so that features differ much."""
    images = []
    for i in range(count):
        side = (2, 4, 9, 20, 48)[i % 5]
        grain = torch.rand((1, 3, side, side), generator=generator)
        picture = F.interpolate(grain, (48, 56), mode="bicubic")[0]
        colour = torch.rand((3, 1, 1), generator=generator)
        strength = contrast * torch.rand(1, generator=generator)
        images.append((255 * (colour + strength * (picture - 0.5))).clamp(0, 255))
    return torch.stack(images).to(torch.uint8)


def make_weights(generator):
    """A state dict under the published names, every tensor far from its initial value."""
    shapes = {name: value.shape for name, value in torchvision.models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False).state_dict().items()}
    weights = {}
    for name, shape in shapes.items():
        def uniform(low, high):
            return low + (high - low) * torch.rand(shape, generator=generator)

        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("conv.weight"):
            spread = (2.0 / (shape[1] * shape[2] * shape[3])) ** 0.5
            weights[name] = torch.randn(shape, generator=generator) * spread
        elif name.endswith(("bn.weight", "running_var")):
            weights[name] = uniform(0.6, 1.4)
        else:
            weights[name] = torch.randn(shape, generator=generator) * 0.1
    return weights


def torch_fidelity_network(path, features):
    return FeatureExtractorInceptionV3("inception", list(features),
                                       feature_extractor_weights_path=str(path))


def batched(function, images):
    parts = [function(some) for some in images.split(BATCH)]
    return [torch.cat(part) for part in zip(*parts)]


def fidelity_features(network, images):
    """Pool, logits without bias, and the spatial features as ADM's evaluator takes them."""
    spatial = []
    hook = network.Mixed_6d.branch1x1.register_forward_hook(
        lambda _, __, output: spatial.append(
            output[:, :7].permute(0, 2, 3, 1).reshape(len(output), 2023)))
    pool, logits = batched(network, images)
    hook.remove()
    return pool, logits, torch.cat(spatial)


def overlap(reference, samples, k):
    """Precision and recall by ADM's algebra in float32: |u|^2 - 2 u.v + |v|^2, the radius being entry
    k of the sorted distances with the point itself."""
    def distances(u, v):
        norms = (u * u).sum(1, dtype=np.float32)[:, None], (v * v).sum(1, dtype=np.float32)[None]
        return np.maximum(norms[0] - 2 * (u @ v.T) + norms[1], 0)

    def radii(points):
        return np.partition(distances(points, points), k, axis=1)[:, k]

    between = distances(samples, reference)
    return ((between <= radii(reference)).any(1).mean(),
            (between.T <= radii(samples)).any(1).mean())


def density_coverage(reference, samples, k):
    """One pair at a time, in float64."""
    radius = [sorted(((p - q) ** 2).sum() for q in reference)[k] for p in reference]
    inside = np.array([[((s - r) ** 2).sum() < size for r, size in zip(reference, radius)]
                       for s in samples])
    return inside.sum() / k / len(samples), inside.any(0).mean()


def main(folder):
    folder = Path(folder)
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(29)
    sets = {"samples": make_images(SAMPLES, 0.9, generator),
            "reference": make_images(REFERENCE, 1.6, generator)}
    odd = torch.randint(0, 256, (2, 3, 341, 37), generator=generator, dtype=torch.uint8)
    out = {**sets, "odd": odd}
    out["odd.tensorflow"] = (interpolate_bilinear_2d_like_tensorflow1x(
        odd.float(), size=(299, 299), align_corners=False) - 128) / 128
    out["odd.half_pixel"] = 2 * F.interpolate(odd / 255, (299, 299), mode="bilinear") - 1

    weights = make_weights(generator)
    path = folder / "inception.pth"
    torch.save(weights, path)
    network = torch_fidelity_network(path, ("2048", "logits_unbiased"))
    # Classes that tell these images apart: no class likes what all of them have in common.
    mean, = batched(lambda x: network(x)[:1], sets["samples"])
    mean = mean.mean(0)
    rows = weights["fc.weight"]
    rows -= torch.outer(rows @ mean, mean) / mean.square().sum()
    network.fc.weight.data = rows
    rows *= 2.5 / batched(network, sets["samples"])[1].std()
    weights["fc.weight"] = rows
    torch.save(weights, path)
    network = torch_fidelity_network(path, ("2048", "logits_unbiased"))

    features = {}
    for name, images in sets.items():
        features[name] = fidelity_features(network, images)
        for part, values in zip(("pool", "logits", "spatial"), features[name]):
            out[f"{name}.{part}"] = values
    pool, logits, spatial = (dict(zip(sets, parts)) for parts in zip(*features.values()))

    def fid(values):
        statistics = [fid_features_to_statistics(values[name].double()) for name in sets]
        return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]

    numbers = {"fid": [fid(pool)], "sfid": [fid(spatial)]}
    numbers["isc"] = list(isc_features_to_metric(logits["samples"]).values())
    # ADM's evaluator: parts in the given order, here of 25 images.
    share = logits["samples"].double().softmax(1)
    parts = [(some * (some.log() - some.mean(0).log())).sum(1).mean().exp()
             for some in share.split(25)]
    numbers["consecutive"] = [float(np.mean(parts)), float(np.std(parts))]
    numbers["kid"] = list(kid_features_to_metric(pool["samples"].double(),
                                                 pool["reference"].double(), **KID).values())
    numbers["kid.float"] = list(kid_features_to_metric(pool["samples"], pool["reference"],
                                                       **KID).values())
    numbers["prc"] = list(prc_features_to_metric(
        pool["samples"], pool["reference"], prc_neighborhood=3, prc_batch_size=10000,
        save_cpu_ram=False, verbose=False).values())[:2]
    arrays = {name: values.numpy() for name, values in pool.items()}
    for k in (1, 3, 5):
        numbers[f"overlap.{k}"] = overlap(arrays["reference"], arrays["samples"], k)
        numbers[f"density.{k}"] = density_coverage(arrays["reference"].astype(float),
                                                   arrays["samples"].astype(float), k)
    out.update({name: torch.tensor([float(v) for v in values], dtype=torch.float64)
                for name, values in numbers.items()})

    # pytorch-fid, from image files, with the weights of the file instead of a download.
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: torch.load(path)
    for name, images in sets.items():
        (folder / name).mkdir(exist_ok=True)
        for i, image in enumerate(images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / name / f"{i:03}.png")
    model = pytorch_fid.inception.InceptionV3([3])
    moments = []
    for name in sets:
        files = sorted((folder / name).glob("*.png"))
        activations = pytorch_fid.fid_score.get_activations(files, model, BATCH, num_workers=0)
        out[f"{name}.half_pixel"] = torch.from_numpy(activations).float()
        moments += [activations.mean(0), np.cov(activations, rowvar=False)]
    # torch-fidelity as its users call it, all of it in float32. Its prc is on VGG-16 unless the network
    # is named.
    call = torch_fidelity.calculate_metrics(
        input1=str(folder / "samples"), input2=str(folder / "reference"), cuda=False, batch_size=BATCH,
        isc=True, fid=True, kid=True, prc=True, feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(path), cache=False, **KID)
    for name, key in (("isc", "inception_score_mean"), ("fid", "frechet_inception_distance"),
                      ("kid", "kernel_inception_distance_mean"), ("precision", "precision"),
                      ("recall", "recall")):
        out[f"call.{name}"] = torch.tensor([call[key]], dtype=torch.float64)
    out["pytorch_fid"] = torch.tensor(
        [float(pytorch_fid.fid_score.calculate_frechet_distance(*moments))], dtype=torch.float64)

    # Reference batches as numpy writes them.
    of_reference = fid_features_to_statistics(pool["reference"].double())
    of_spatial = fid_features_to_statistics(spatial["reference"].double())
    np.savez(folder / "batch.npz", arr_0=sets["reference"].permute(0, 2, 3, 1).numpy(),
             mu=of_reference["mu"], sigma=of_reference["sigma"].astype(np.float32),
             mu_s=of_spatial["mu"], sigma_s=of_spatial["sigma"])

    random = np.random.RandomState(2020)
    out["permutations"] = torch.from_numpy(np.concatenate(
        [random.permutation(1000), random.choice(37, 20, replace=False), random.permutation(3)]))

    # The file as other programs store it: with the counters of batches, in half precision.
    counted = {name: value.half() for name, value in weights.items()}
    for name in weights:
        if name.endswith("running_var"):
            counted[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    save_file({k: v.contiguous() for k, v in counted.items()}, folder / "half.safetensors")
    wrong = {name: value for name, value in weights.items() if not name.startswith("Mixed_7c")}
    wrong["fc.weight"] = torch.zeros(1000, 2048)
    wrong["AuxLogits.fc.weight"] = torch.zeros(1000, 768)
    torch.save(wrong, folder / "torchvision.pth")
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "inception.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
