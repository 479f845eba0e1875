"""Oracle for FD-DINOv2 and the copy audit on it: the preparation of dgm-eval (torchvision's PIL resize
to 224 x 224, ToTensor, Normalize), the class token of transformers' Dinov2Model with the authors'
positions on the seeded weights of dinov2.py, the Frechet distance by scipy's sqrtm, nearest neighbours
by loops. Writes dinov2.pth, the sets as samples.npz and folders of PNG files, and
dinov2_features.safetensors into the folder given as the first argument."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import torchvision.transforms as transforms
from PIL import Image
from safetensors.torch import save_file

from dinov2 import CASES, authors_positions, authors_weights, transformers_model, transformers_names
from inception import make_images

COUNTS = {"samples": 30, "training": 26, "held_out": 24}
PERCENTILE = 20


def prepared(image):
    """The steps that dgm-eval composes for DINOv2."""
    return transforms.Compose([
        transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])(image)


def frechet(first, second):
    difference = first.mean(0) - second.mean(0)
    covariances = [np.cov(features, rowvar=False) for features in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    return difference @ difference + np.trace(covariances[0] + covariances[1] - 2 * root.real)


def nearest(rows, columns, skip_itself=False):
    distances = [[np.sqrt(((row - column) ** 2).sum()) for column in columns] for row in rows]
    distances = np.array(distances)
    if skip_itself:
        np.fill_diagonal(distances, np.inf)
    return distances.min(1), distances.argmin(1)


def main(folder):
    folder = Path(folder)
    generator = torch.Generator().manual_seed(31)
    sets = {name: make_images(count, contrast, generator)
            for (name, count), contrast in zip(COUNTS.items(), (0.9, 1.3, 1.3))}
    # Some samples are training images with a little noise.
    noise = torch.randint(-3, 4, sets["samples"][:4].shape, generator=generator)
    sets["samples"][:4] = (sets["training"][5:9] + noise).clamp(0, 255).to(torch.uint8)

    weights = authors_weights(*CASES["small"], generator)
    torch.save(weights, folder / "dinov2.pth")
    model = transformers_model(folder, "small", transformers_names(weights))
    model.embeddings.interpolate_pos_encoding = partial(authors_positions, model.embeddings)

    out, features = {}, {}
    for name, images in sets.items():
        pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        (folder / name).mkdir()
        for i, picture in enumerate(pictures):
            picture.save(folder / name / f"{i:03}.png")
        inputs = torch.stack([prepared(picture) for picture in pictures])
        with torch.no_grad():
            token = model(inputs).last_hidden_state[:, 0]
        out[name], out[f"{name}.token"] = images, token
        features[name] = token.double().numpy()
    out["samples.input"] = torch.stack([prepared(picture) for picture in [
        Image.open(folder / "samples" / f"{i:03}.png") for i in range(3)]])
    np.savez(folder / "samples.npz", arr_0=sets["samples"].permute(0, 2, 3, 1).numpy())

    numbers = {"fd": frechet(features["samples"], features["training"])}
    distance, index = nearest(features["samples"], features["training"])
    for name, usual in (("held_out", nearest(features["held_out"], features["training"])[0]),
                        ("training", nearest(features["training"], features["training"], True)[0])):
        threshold = np.percentile(usual, PERCENTILE)
        numbers[f"{name}.threshold"] = threshold
        numbers[f"{name}.share"] = (distance < threshold).mean()
    out["distance"], out["index"] = torch.from_numpy(distance), torch.from_numpy(index)
    out.update({name: torch.tensor([float(value)], dtype=torch.float64)
                for name, value in numbers.items()})
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "dinov2_features.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
