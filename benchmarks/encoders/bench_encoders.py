"""The networks of bench_encoders.cpp in their reference libraries: transformers' T5EncoderModel,
Dinov2Model and CLIPVisionModel, diffusers' AutoencoderKL, torch-fidelity's Inception-v3.

usage: bench_encoders.py NETWORK THREADS FOLDER

Takes the commands of bench_encoders.cpp, and "products", which is answered with the matrix products
of a pass as lines "count batch m k n" (convolutions as products too) and an empty line. write_files
makes the folder: seeded random weights in the published formats, and the inputs.
"""

import os
import pathlib
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", DIFFUSERS_VERBOSITY="error",
                  HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")

import torch
import torch.nn.functional as F

NETWORKS = ("t5", "dinov2", "clip", "vae-encode", "vae-decode", "inception")
PROMPTS, TOKENS, IMAGES, FEW_IMAGES, PICTURES, SIDE = 64, 16, 64, 16, 2, 256


def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def write_inception(path, generator):
    """A state dict under the published names, every tensor far from its initial value."""
    import torchvision

    shapes = torchvision.models.inception_v3(weights=None, num_classes=1008, aux_logits=False,
                                             init_weights=False).state_dict()
    weights = {}
    for name, value in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("conv.weight"):
            spread = (2.0 / value[0].numel()) ** 0.5
            weights[name] = torch.randn(value.shape, generator=generator) * spread
        elif name.endswith(("bn.weight", "running_var")):
            weights[name] = 0.6 + 0.8 * torch.rand(value.shape, generator=generator)
        else:
            weights[name] = torch.randn(value.shape, generator=generator) * 0.1
    torch.save(weights, path)


def write_files(folder, networks):
    """Each network that is asked for, at its published size, saved by its own library."""
    from safetensors.torch import save_file

    folder = pathlib.Path(folder)
    generator = torch.Generator().manual_seed(11)
    torch.manual_seed(11)
    if "t5" in networks:
        from transformers import T5Config, T5EncoderModel

        config = T5Config(vocab_size=32128, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12,
                          feed_forward_proj="gated-gelu", is_encoder_decoder=False, use_cache=False,
                          tie_word_embeddings=False)
        T5EncoderModel(config).save_pretrained(folder / "t5")
    if "dinov2" in networks:
        from transformers import Dinov2Config, Dinov2Model

        Dinov2Model(Dinov2Config(image_size=518, patch_size=14)).save_pretrained(folder / "dinov2")
    if "clip" in networks:
        from transformers import CLIPVisionConfig, CLIPVisionModel

        config = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                                  num_attention_heads=16, patch_size=14, image_size=224, projection_dim=768)
        CLIPVisionModel(config).save_pretrained(folder / "clip")
    if "vae-encode" in networks or "vae-decode" in networks:
        from diffusers import AutoencoderKL

        AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
                      norm_num_groups=32, sample_size=SIDE,
                      down_block_types=["DownEncoderBlock2D"] * 4,
                      up_block_types=["UpDecoderBlock2D"] * 4).save_pretrained(folder / "vae")
    if "inception" in networks:
        write_inception(folder / "inception.pth", generator)
    ids = torch.randint(3, 32000, (PROMPTS, TOKENS), generator=generator)
    length = torch.randint(4, TOKENS + 1, (PROMPTS, 1), generator=generator)
    mask = (torch.arange(TOKENS) < length).long()
    coarse = torch.rand((IMAGES, 3, SIDE // 16, SIDE // 16), generator=generator)
    images = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic").mul(255).clamp(0, 255).to(torch.uint8)
    save_file({"ids": ids * mask, "mask": mask, "images": images,
               "pictures": images[:PICTURES].float() / 127.5 - 1,
               "latents": torch.randn((PICTURES, 4, SIDE // 8, SIDE // 8), generator=generator)},
              folder / "inputs.safetensors")


def one_by_one(run, x):
    return torch.cat([run(x[i : i + 1]) for i in range(len(x))])


class Colours:
    def __init__(self, mean, deviation):
        self.mean, self.deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, deviation))

    def __call__(self, x):
        return (x - self.mean) / self.deviation


def resized(x):
    return F.interpolate(x, 224, mode="bicubic")


def import_library(name):
    """So that its memory is not taken for the network's."""
    import safetensors.torch

    if name == "inception":
        import torch_fidelity.feature_extractor_inceptionv3
    elif name.startswith("vae"):
        from diffusers import AutoencoderKL
    else:
        from transformers import CLIPVisionModel, Dinov2Model, T5EncoderModel


def load(name, folder):
    """The network and its pass."""
    from safetensors import safe_open

    inputs = safe_open(folder / "inputs.safetensors", "pt").get_tensor
    if name == "t5":
        from transformers import T5EncoderModel

        network = T5EncoderModel.from_pretrained(folder / "t5").eval()
        ids, mask = inputs("ids"), inputs("mask")
        return network, lambda: network(ids, attention_mask=mask).last_hidden_state
    if name == "dinov2":
        from transformers import Dinov2Model

        network = Dinov2Model.from_pretrained(folder / "dinov2", attn_implementation="sdpa").eval()
        images = inputs("images")
        colours = Colours((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        return network, lambda: network(resized(colours(images / 255.0))).last_hidden_state[:, 1:]
    if name == "clip":
        from transformers import CLIPVisionModel

        network = CLIPVisionModel.from_pretrained(folder / "clip", attn_implementation="sdpa").eval()
        images = inputs("images")[:FEW_IMAGES]
        colours = Colours((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        return network, lambda: network(colours(resized(images / 255.0))).last_hidden_state[:, 1:]
    if name == "inception":
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"],
                                              feature_extractor_weights_path=str(folder / "inception.pth"))
        images = inputs("images")
        return network, lambda: network(images)[0]
    from diffusers import AutoencoderKL

    network = AutoencoderKL.from_pretrained(folder / "vae").eval()
    if name == "vae-encode":
        pictures = inputs("pictures")
        return network, lambda: one_by_one(lambda x: network.encode(x).latent_dist.mean, pictures)
    latents = inputs("latents")
    return network, lambda: one_by_one(lambda x: network.decode(x).sample, latents)


def products(network, run):
    """The matrix products of a pass, seen by hooks and by wrapping the attention."""
    found = {}

    def add(batch, m, k, n):
        found[batch, m, k, n] = found.get((batch, m, k, n), 0) + 1

    def linear(module, inputs, output):
        add(1, output.numel() // module.out_features, module.in_features, module.out_features)

    def convolution(module, inputs, output):
        add(1, output.numel() // module.out_channels, module.weight[0].numel(), module.out_channels)

    attend = F.scaled_dot_product_attention

    def attention(q, k, v, *rest, **options):
        batch = q.shape[:-2].numel()
        add(batch, q.shape[-2], q.shape[-1], k.shape[-2])
        add(batch, q.shape[-2], k.shape[-2], v.shape[-1])
        return attend(q, k, v, *rest, **options)

    hooks = [module.register_forward_hook(linear if isinstance(module, torch.nn.Linear) else convolution)
             for module in network.modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))]
    F.scaled_dot_product_attention = torch.nn.functional.scaled_dot_product_attention = attention
    run()
    F.scaled_dot_product_attention = torch.nn.functional.scaled_dot_product_attention = attend
    for hook in hooks:
        hook.remove()
    return found


def main():
    name, threads, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    torch.set_num_threads(threads)
    import_library(name)
    before = memory("VmRSS")
    with torch.inference_mode():
        network, run = load(name, folder)
        print("ready", flush=True)
        output = None
        for line in sys.stdin:
            what, *rest = line.split()
            if what == "memory":
                print(memory("VmHWM"), before, flush=True)
            elif what == "write":
                from safetensors.torch import save_file

                save_file({"output": output.contiguous()}, rest[0])
                print(flush=True)
            elif what == "products":
                for shape, count in products(network, run).items():
                    print(count, *shape)
                print(flush=True)
            else:
                times = []
                for _ in range(int(rest[0])):
                    output = None
                    start = time.perf_counter()
                    output = run()
                    times.append(1e3 * (time.perf_counter() - start))
                print(*times, flush=True)


if __name__ == "__main__":
    main()
