"""Loads one file of weights with PyTorch or safetensors and prints one line as bench_loading.cpp does.

usage: bench_loading.py WAY FILE THREADS
  torch         torch.load
  torch-mmap    torch.load(mmap=True), then every tensor copied into memory of its own
  torch-touch   torch.load(mmap=True), then every tensor read once where it lies
  safetensors   safetensors.torch.load_file, then every tensor copied into memory of its own
  safetensors-touch   the same, then every tensor read once where it lies
  torch-network, safetensors-network   torch.load(mmap=True) or load_file, then load_state_dict into a module
                that has the parameters and was not initialised
"""

import sys
import time

import torch
from safetensors.torch import load_file


def memory(field):
    """VmHWM or VmRSS of this process in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":")) * 1024


def empty_module(tensors):
    """A module with parameters of these names and shapes, whose values nobody has written."""
    root = torch.nn.Module()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module._modules[part]
        module.register_parameter(last, torch.nn.Parameter(torch.empty(tensor.shape)))
    return root


def main():
    way, file, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.ones(1 << 20).add_(1)
    before = memory("VmRSS")
    start = time.perf_counter()
    if way.startswith("safetensors"):
        tensors = load_file(file)
    else:
        tensors = torch.load(file, mmap=way != "torch", weights_only=True)
    if way.endswith("network"):
        module = empty_module(tensors)
        module.load_state_dict(tensors)
        tensors = module.state_dict()
    elif way.endswith("touch"):
        for tensor in tensors.values():
            tensor.sum()
    elif way != "torch":
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    seconds = time.perf_counter() - start
    print(seconds, sum(tensor.nbytes for tensor in tensors.values()), memory("VmHWM") - before)


main()
