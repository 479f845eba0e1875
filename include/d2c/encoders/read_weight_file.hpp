#pragma once
/// Weights of a frozen network from whichever format they were published in.

#include <filesystem>
#include <map>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// All tensors of a file by name, on the CPU: safetensors if it is called so, else a PyTorch
/// checkpoint (zip or legacy; no code in it is run). Throws InputError for anything else.
template <class = Once>
std::map<std::string, Tensor> read_weight_file(const std::filesystem::path& file) {
  return file.extension() == ".safetensors" ? load_safetensors(file) : load_torch_checkpoint(file);
}
D2C_COMPILED_ONCE(std::map<std::string, Tensor> read_weight_file<>(const std::filesystem::path&))

} // namespace d2c
