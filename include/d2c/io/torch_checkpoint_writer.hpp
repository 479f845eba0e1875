#pragma once
/// Writing PyTorch checkpoints: files that `torch.load` opens, also with `weights_only=True`.
/// Torch-free.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/zip_writer.hpp>

namespace d2c {

/// One tensor to write; `bytes` are its elements, row-major.
struct TorchCheckpointTensor {
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

struct TorchCheckpointEntry;

/// A Python dict with string keys, in order.
using TorchCheckpointDict = std::vector<std::pair<std::string, TorchCheckpointEntry>>;

/// What a key of a checkpoint holds: a number, a text, a list of numbers, a tensor, or a dict of
/// such.
struct TorchCheckpointEntry {
  std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
               TorchCheckpointTensor, TorchCheckpointDict>
      value;
};

namespace torch_writer_detail {

/// The pickle (protocol 2) of a checkpoint, and its tensors in the order of their storages.
class CheckpointPickle {
public:
  explicit CheckpointPickle(const TorchCheckpointDict& dict) {
    text_ = "\x80\x02";
    add(dict);
    text_ += '.';
  }

  [[nodiscard]] const std::string& text() const { return text_; }

  [[nodiscard]] const std::vector<const TorchCheckpointTensor*>& storages() const {
    return storages_;
  }

private:
  template <class T>
  void put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void add(bool value) { text_ += value ? '\x88' : '\x89'; }

  void add(std::int64_t value) {
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
      text_ += 'J';
      put(static_cast<std::int32_t>(value));
    } else {
      text_ += "\x8a\x08";
      put(value);
    }
  }

  void add(double value) {
    text_ += 'G';
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    put(__builtin_bswap64(bits));
  }

  void add(const std::string& value) {
    text_ += 'X';
    put(static_cast<std::uint32_t>(value.size()));
    text_ += value;
  }

  void add(const std::vector<std::int64_t>& numbers) {
    text_ += "](";
    for (const std::int64_t number : numbers) {
      add(number);
    }
    text_ += 'e';
  }

  void add_tuple(const std::vector<std::int64_t>& numbers) {
    text_ += '(';
    for (const std::int64_t number : numbers) {
      add(number);
    }
    text_ += 't';
  }

  void add(const TorchCheckpointDict& dict) {
    text_ += "}(";
    for (const auto& [key, entry] : dict) {
      add(key);
      std::visit([&](const auto& value) { add(value); }, entry.value);
    }
    text_ += 'u';
  }

  /// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks).
  void add(const TorchCheckpointTensor& tensor) {
    std::int64_t count = 1;
    std::vector<std::int64_t> strides(tensor.shape.size());
    for (std::size_t d = tensor.shape.size(); d-- > 0;) {
      strides[d] = count;
      count *= tensor.shape[d];
    }
    text_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    add(std::string("storage"));
    text_ += "ctorch\n" + std::string(storage_type(tensor.dtype)) + "\n";
    add(std::to_string(storages_.size()));
    add(std::string("cpu"));
    add(count);
    text_ += "tQ";
    add(std::int64_t{0});
    add_tuple(tensor.shape);
    add_tuple(strides);
    add(false);
    text_ += "ccollections\nOrderedDict\n)RtR";
    storages_.push_back(&tensor);
  }

  static std::string_view storage_type(DType dtype) {
    static constexpr std::array<std::pair<DType, std::string_view>, 10> known = {{
        {DType::F32, "FloatStorage"},
        {DType::F64, "DoubleStorage"},
        {DType::F16, "HalfStorage"},
        {DType::BF16, "BFloat16Storage"},
        {DType::I64, "LongStorage"},
        {DType::I32, "IntStorage"},
        {DType::I16, "ShortStorage"},
        {DType::I8, "CharStorage"},
        {DType::U8, "ByteStorage"},
        {DType::BOOL, "BoolStorage"},
    }};
    for (const auto& [each, name] : known) {
      if (each == dtype) {
        return name;
      }
    }
    throw Failure("tensors of type " + std::string(name_of(dtype)) +
                  " cannot be stored as a PyTorch checkpoint");
  }

  std::string text_;
  std::vector<const TorchCheckpointTensor*> storages_;
};

} // namespace torch_writer_detail

/// Writes `dict` as a PyTorch checkpoint (the zip format of PyTorch 1.6 and later), atomically.
/// Every tensor has a storage of its own, at a multiple of 64 bytes, so that
/// `torch.load(mmap=True)` maps it. Failure if a tensor's bytes do not fit its shape or the file
/// cannot be written. Layout: torch/serialization.py (`_save`).
template <class = Once>
void write_torch_checkpoint(const std::filesystem::path& path, const TorchCheckpointDict& dict) {
  const torch_writer_detail::CheckpointPickle pickle{dict};
  ZipWriter zip{path};
  zip.begin("archive/data.pkl");
  zip.append(pickle.text());
  zip.begin("archive/byteorder");
  zip.append("little");
  for (std::size_t i = 0; i < pickle.storages().size(); ++i) {
    const TorchCheckpointTensor& tensor = *pickle.storages()[i];
    auto expected = static_cast<std::uint64_t>(bits_of(tensor.dtype) / 8);
    for (const std::int64_t extent : tensor.shape) {
      expected *= static_cast<std::uint64_t>(extent);
    }
    if (tensor.bytes.size() != expected) {
      throw Failure(path.string() + ": expected " + std::to_string(expected) +
                    " bytes for tensor " + std::to_string(i) + ", found " +
                    std::to_string(tensor.bytes.size()));
    }
    zip.begin("archive/data/" + std::to_string(i), 64);
    zip.append(tensor.bytes);
  }
  zip.begin("archive/version");
  zip.append("3\n");
  zip.commit();
}
D2C_COMPILED_ONCE(void write_torch_checkpoint<>(const std::filesystem::path&,
                                                const TorchCheckpointDict&))

} // namespace d2c
