#pragma once
/// Named weights in a file of either kind, safetensors or PyTorch, seen alike.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/io/safetensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/io/torch_checkpoint.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A weights file: `*.safetensors` by its name, PyTorch's format otherwise. Throws InputError where
/// the file cannot be read.
class WeightsFile {
public:
  explicit WeightsFile(const std::filesystem::path& path) : path_{path} {
    if (path.extension() == ".safetensors") {
      safetensors_ = std::make_unique<SafetensorsFile>(path);
    } else {
      torch_ = std::make_unique<TorchCheckpoint>(path);
    }
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] const std::vector<std::string>& names() const {
    return safetensors_ ? safetensors_->names() : torch_->names();
  }

  [[nodiscard]] bool has(std::string_view name) const {
    return safetensors_ ? safetensors_->has(name) : torch_->has(name);
  }

  [[nodiscard]] const std::vector<std::int64_t>& shape(std::string_view name) const {
    return safetensors_ ? safetensors_->entry(name).shape : torch_->tensor(name).shape;
  }

  /// Text that a safetensors file carries beside its tensors; empty for PyTorch files.
  [[nodiscard]] std::map<std::string, std::string> metadata() const {
    return safetensors_ ? safetensors_->metadata() : std::map<std::string, std::string>{};
  }

  /// A copy on the CPU in the stored dtype. Throws InputError for a name that is not there.
  [[nodiscard]] Tensor read(std::string_view name) const {
    return safetensors_ ? to_tensor(*safetensors_, name) : to_tensor(*torch_, name);
  }

private:
  std::filesystem::path path_;
  std::unique_ptr<SafetensorsFile> safetensors_;
  std::unique_ptr<TorchCheckpoint> torch_;
};

} // namespace d2c
