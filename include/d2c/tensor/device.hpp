#pragma once
/// Names of devices on the command line.

#include <string>

#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// "cpu", "cuda" or "cuda:1" as a device that this process can use. Throws InputError where the
/// name is malformed, no GPU is visible, or the index is too large.
inline at::Device device_from(const std::string& name) {
  if (name == "cpu") {
    return at::kCPU;
  }
  const bool indexed = name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                       name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "cuda" && !indexed) {
    throw InputError("device: expected cpu, cuda or cuda:N, found \"" + name + "\"");
  }
  if (!at::hasCUDA()) {
    throw InputError("device: " + name + " was asked for, but this program sees no CUDA GPU");
  }
  const auto index = indexed ? std::stoi(name.substr(5)) : 0;
  const auto visible = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (index >= visible) {
    throw InputError("device: " + name + " was asked for, but only " + std::to_string(visible) +
                     " CUDA GPUs are visible");
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

} // namespace d2c
