"""Oracle for the evaluation metrics: numpy and scipy (sqrtm), and precision, recall and the copy
audit as written-out loops. Writes metrics.safetensors into the folder given as the first argument."""

import sys
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from safetensors.torch import save_file


def moments(x):
    return x.mean(0), np.cov(x, rowvar=False)


def frechet(a, b):
    (m1, s1), (m2, s2) = moments(a), moments(b)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real


def overlap(reference, samples, k):
    """Precision and recall one pair at a time, in float64."""
    def radii(points):
        return [sorted(((p - q) ** 2).sum() for q in points)[k] for p in points]

    def covered(points, others, other_radii):
        inside = 0
        for p in points:
            inside += any(((p - q) ** 2).sum() <= r for q, r in zip(others, other_radii))
        return inside / len(points)

    return (covered(samples, reference, radii(reference)),
            covered(reference, samples, radii(samples)))


def audit(samples, training, held_out, percentile):
    def nearest(points):
        pairs = [min((np.sqrt(((p - q) ** 2).sum()), i) for i, q in enumerate(training))
                 for p in points]
        return np.array([d for d, _ in pairs]), np.array([i for _, i in pairs])

    distance, index = nearest(samples)
    threshold = np.percentile(nearest(held_out)[0], percentile)
    return distance, index, threshold, (distance < threshold).mean()


def main(folder):
    rng = np.random.default_rng(7)
    out = {}
    mixing = rng.standard_normal((64, 64)) / 8
    a = rng.standard_normal((700, 64)) @ mixing + 3.0
    b = (1.2 * rng.standard_normal((500, 64)) + 0.2) @ mixing + 3.1
    out["frechet.a"], out["frechet.b"] = a, b
    out["frechet.value"] = np.array([frechet(a, b)])
    out["frechet.covariance"] = moments(a)[1]

    reference = rng.standard_normal((150, 6)).astype(np.float32)
    samples = (0.8 * rng.standard_normal((120, 6)) + 0.4).astype(np.float32)
    for k in (1, 3, 5):
        out[f"overlap.{k}"] = np.array(overlap(reference.astype(float), samples.astype(float), k))
    out["overlap.reference"], out["overlap.samples"] = reference, samples

    training = rng.standard_normal((80, 6)).astype(np.float32)
    copies = training[:7] + 0.05 * rng.standard_normal((7, 6)).astype(np.float32)
    made = np.concatenate([samples[:60], copies]).astype(np.float32)
    distance, index, threshold, share = audit(made.astype(float), training.astype(float),
                                              reference.astype(float), 2.5)
    out["copies.training"], out["copies.samples"] = training, made
    out["copies.distance"], out["copies.index"] = distance, index
    out["copies.threshold"], out["copies.share"] = np.array([threshold]), np.array([share])
    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in out.items()}
    save_file(tensors, Path(folder) / "metrics.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
