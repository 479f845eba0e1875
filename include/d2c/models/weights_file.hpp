#pragma once
/// Named weights in a file of either kind, safetensors or PyTorch, seen alike.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors.hpp>
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

  /// A copy on the CPU in the stored dtype. Throws InputError for a name that is not there and for
  /// element types that weights do not have.
  [[nodiscard]] Tensor read(std::string_view name) const {
    const DType dtype = safetensors_ ? safetensors_->entry(name).dtype : torch_->tensor(name).dtype;
    Tensor tensor = at::empty(shape(name), element_type(name, dtype));
    auto* bytes = static_cast<std::byte*>(tensor.mutable_data_ptr());
    if (torch_) {
      torch_->tensor(name).copy_to({bytes, tensor.nbytes()});
    } else if (tensor.nbytes() > 0) {
      std::memcpy(bytes, safetensors_->entry(name).bytes.data(), tensor.nbytes());
    }
    return tensor;
  }

private:
  [[nodiscard]] at::ScalarType element_type(std::string_view name, DType dtype) const {
    switch (dtype) {
    case DType::F32:
      return at::kFloat;
    case DType::F64:
      return at::kDouble;
    case DType::F16:
      return at::kHalf;
    case DType::BF16:
      return at::kBFloat16;
    case DType::I64:
      return at::kLong;
    case DType::U8:
      return at::kByte;
    default:
      throw InputError(path_.string() + ": expected tensor \"" + std::string(name) +
                       "\" in a floating type, found " + std::string(name_of(dtype)));
    }
  }

  std::filesystem::path path_;
  std::unique_ptr<SafetensorsFile> safetensors_;
  std::unique_ptr<TorchCheckpoint> torch_;
};

} // namespace d2c
