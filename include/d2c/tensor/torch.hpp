#pragma once
/// The gateway to LibTorch: the only header of d2c that includes torch headers. Tensors, operators
/// and custom autograd functions; no torch::nn, no torch::optim, no TorchScript.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>

namespace d2c {

using at::Tensor;

} // namespace d2c
