#pragma once
/// Where the files of a Sentence-T5 model lie beside its encoder's weights. Torch-free; reads none.

#include <array>
#include <filesystem>

#include <d2c/io/is_file.hpp>

namespace d2c {

/// Where a published folder of sentence-transformers keeps what follows the T5 encoder. The dense
/// layer is safetensors where there is such a file, PyTorch's format otherwise.
struct SentenceT5Files {
  std::filesystem::path pooling;        ///< 1_Pooling/config.json
  std::filesystem::path dense_settings; ///< 2_Dense/config.json
  std::filesystem::path dense;          ///< 2_Dense/model.safetensors or pytorch_model.bin

  /// The files that belong to these weights of the encoder, or to this index of their shards.
  explicit SentenceT5Files(const std::filesystem::path& weights)
      : pooling{weights.parent_path() / "1_Pooling" / "config.json"},
        dense_settings{weights.parent_path() / "2_Dense" / "config.json"},
        dense{weights.parent_path() / "2_Dense" / "model.safetensors"} {
    if (!is_file(dense)) {
      dense.replace_filename("pytorch_model.bin");
    }
  }

  [[nodiscard]] std::array<std::filesystem::path, 3> all() const {
    return {pooling, dense_settings, dense};
  }
};

} // namespace d2c
