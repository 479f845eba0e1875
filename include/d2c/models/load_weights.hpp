#pragma once
/// Loading a state dict into a parameter table.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Copies every parameter `prefix` + name of `file` into the table, in any floating type. All or
/// nothing: throws one InputError that lists each tensor that is missing, that has another shape,
/// or that lies under the prefix without a place in the network, and then leaves the table alone.
template <class = Once>
void load_weights(const WeightsFile& file, ParameterTable& parameters,
                  const std::string& prefix = {}) {
  const auto text = [](const std::vector<std::int64_t>& shape) {
    std::string sizes = "[";
    for (const std::int64_t extent : shape) {
      sizes += (sizes.size() > 1 ? ", " : "") + std::to_string(extent);
    }
    return sizes + "]";
  };
  std::string wrong;
  const auto note = [&wrong](const std::string& what) {
    wrong += (wrong.empty() ? "" : "; ") + what;
  };
  for (const ParameterEntry& entry : parameters.entries()) {
    const std::string name = prefix + entry.name;
    if (!file.has(name)) {
      note("missing " + name + " " + text(entry.shape));
    } else if (file.shape(name) != entry.shape) {
      note("mis-shaped " + name + ", expected " + text(entry.shape) + ", found " +
           text(file.shape(name)));
    }
  }
  for (const std::string& name : file.names()) {
    if (name.starts_with(prefix) && !parameters.contains(name.substr(prefix.size()))) {
      note("unexpected " + name + " " + text(file.shape(name)));
    }
  }
  if (!wrong.empty()) {
    throw InputError(file.path().string() +
                     ": expected the weights of this network, found: " + wrong);
  }
  const at::NoGradGuard no_grad;
  for (const ParameterEntry& entry : parameters.entries()) {
    parameters.value(entry.name).copy_(file.read(prefix + entry.name));
  }
}
D2C_COMPILED_ONCE(void load_weights<>(const WeightsFile&, ParameterTable&, const std::string&))

/// Loads a published state dict: a flat safetensors or PyTorch file, or a training checkpoint that
/// keeps it under "ema" (taken first) or "model" (DiT's, SiT's and REPA's own). Errors as above.
inline void load_published(const std::filesystem::path& path, ParameterTable& parameters) {
  const WeightsFile file(path);
  for (const char* prefix : {"ema.", "model."}) {
    for (const std::string& name : file.names()) {
      if (name.starts_with(prefix)) {
        load_weights(file, parameters, prefix);
        return;
      }
    }
  }
  load_weights(file, parameters);
}

} // namespace d2c
