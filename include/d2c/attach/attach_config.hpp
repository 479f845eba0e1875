#pragma once
/// The `[attach]` section of a configuration: the frozen encoders' files.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// Empty paths mean the Python package that carries the file (encoders/weight_files.hpp), which
/// MiniLM and EfficientNetLite0 have; of the other encoders the files must be named.
struct AttachConfig {
  static constexpr std::string_view section = "attach";
  static constexpr std::array<std::string_view, 1> no_effect = {"batch"};

  std::string text_weights;    ///< weights of the text encoder
  std::string text_vocabulary; ///< vocabulary of its tokenizer
  std::string vision_weights;  ///< weights of the vision encoder
  std::int64_t batch = 64;     ///< images per forward pass
};

} // namespace d2c

D2C_CONFIG(d2c::AttachConfig, text_weights, text_vocabulary, vision_weights, batch)
