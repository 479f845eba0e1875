#pragma once
/// What every frozen text encoder can do, whatever its network.

#include <filesystem>
#include <string>
#include <vector>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Tokens [n, L, W] float32 and mask [n, L] float32 (1 where a token belongs to the text) on the
/// CPU.
struct EncodedText {
  Tensor tokens;
  Tensor mask;
};

/// A frozen text encoder. One is made by make_encoder(tag, config, device), found by the type of
/// the tag.
class TextEncoder {
public:
  virtual ~TextEncoder() = default;

  /// Token embeddings of every prompt (UTF-8), cut or padded to the encoder's token count.
  [[nodiscard]] virtual EncodedText encode(const std::vector<std::string>& prompts) const = 0;

  /// The files it was read from, for manifests.
  [[nodiscard]] virtual std::vector<std::filesystem::path> files() const = 0;
};

} // namespace d2c
