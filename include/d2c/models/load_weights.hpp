#pragma once
/// A state dict compared with a list of parameters, and loaded into their table.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/weight_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Compares the tensors `prefix` + name of `file` with `entries` without reading values. Throws one
/// InputError that lists each tensor that is missing, that has another shape, or that lies under
/// the prefix without a place in the network.
template <class = Once>
void require_weights(const WeightsFile& file, const std::vector<ParameterEntry>& entries,
                     const std::string& prefix = {}) {
  std::map<std::string, std::vector<std::int64_t>> expected;
  for (const ParameterEntry& entry : entries) {
    expected.emplace(prefix + entry.name, entry.shape);
  }
  std::map<std::string, StoredShape> found;
  for (const std::string& name : file.names()) {
    if (name.starts_with(prefix)) {
      found.emplace(name, StoredShape{file.shape(name), file.dtype(name)});
    }
  }
  if (const std::string wrong = weight_differences(expected, found, file.unreadable());
      !wrong.empty()) {
    throw InputError(file.path().string() +
                     ": expected the weights of this network, found: " + wrong);
  }
}
D2C_COMPILED_ONCE(void require_weights<>(const WeightsFile&, const std::vector<ParameterEntry>&,
                                         const std::string&))

/// Copies every parameter `prefix` + name of `file` into the table, in any floating type. All or
/// nothing: errors as require_weights, and then leaves the table alone.
template <class = Once>
void load_weights(const WeightsFile& file, ParameterTable& parameters,
                  const std::string& prefix = {}) {
  require_weights(file, parameters.entries(), prefix);
  const at::NoGradGuard no_grad;
  for (const ParameterEntry& entry : parameters.entries()) {
    file.read_into(prefix + entry.name, parameters.value(entry.name));
  }
}
D2C_COMPILED_ONCE(void load_weights<>(const WeightsFile&, ParameterTable&, const std::string&))

} // namespace d2c
