#pragma once
/// Tensors of a published file as their names and shapes. Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/io/element_count.hpp>

namespace d2c {

/// One tensor that a network reads from a file.
struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
  bool needed = true; ///< false for tensors of published files that inference does not read

  [[nodiscard]] std::int64_t count() const { return element_count(shape); }

  friend bool operator==(const NamedShape&, const NamedShape&) = default;
};

/// Appends the tensors of a linear map, a convolution or a norm: its weight, and a bias for each of
/// the weight's rows.
inline void append_affine(std::vector<NamedShape>& list, std::string weight_name,
                          std::string bias_name, std::vector<std::int64_t> weight) {
  const std::int64_t rows = weight.front();
  list.push_back({std::move(weight_name), std::move(weight)});
  list.push_back({std::move(bias_name), {rows}});
}

/// The same under the usual names, `name`.weight and `name`.bias.
inline void append_affine(std::vector<NamedShape>& list, const std::string& name,
                          std::vector<std::int64_t> weight) {
  append_affine(list, name + ".weight", name + ".bias", std::move(weight));
}

} // namespace d2c
