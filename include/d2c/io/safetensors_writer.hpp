#pragma once
/// Writing safetensors files, streamed and atomic: tensors go to disk as they come, and the file
/// appears under its name only when it is complete.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/utf8_name.hpp>

namespace d2c {

/// What the header says of one tensor.
struct SafetensorsDeclaration {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;

  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t bits = static_cast<std::uint64_t>(bits_of(dtype));
    for (const std::int64_t extent : shape) {
      bits *= static_cast<std::uint64_t>(extent);
    }
    return bits / 8;
  }
};

/// Writes one file. Declare all tensors first, then append() their bytes in the declared order, in
/// pieces of any size, then commit(). The data begins at a multiple of 64 bytes; tensors are laid
/// out as declared, so declare wide dtypes first if readers should find them aligned. Failure if
/// more or fewer bytes come than were declared, if the header is larger than readers take, or if
/// the disk refuses them; InputError if a name or the metadata is not UTF-8.
class SafetensorsWriter {
public:
  SafetensorsWriter(std::filesystem::path path, const std::vector<SafetensorsDeclaration>& tensors,
                    const std::map<std::string, std::string>& metadata = {})
      : path_{std::move(path)}, file_{path_} {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    for (const auto& [key, value] : metadata) {
      require_utf8(path_.string() + ": metadata", key);
      require_utf8(path_.string() + ": metadata \"" + key + "\"", value);
    }
    if (!metadata.empty()) {
      header["__metadata__"] = metadata;
    }
    std::set<std::string> names;
    for (const SafetensorsDeclaration& tensor : tensors) {
      require_utf8(path_.string() + ": tensors", tensor.name);
      if (tensor.name == "__metadata__" || !names.insert(tensor.name).second) {
        throw Failure(path_.string() + ": expected tensors of distinct names, found \"" +
                      tensor.name + "\" again");
      }
      const std::uint64_t end = declared_ + tensor.bytes();
      // Through a list of pairs instead of operator[]: that one searches an ordered object.
      header.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
          tensor.name, nlohmann::ordered_json{{"dtype", name_of(tensor.dtype)},
                                              {"shape", tensor.shape},
                                              {"data_offsets", {declared_, end}}});
      declared_ = end;
    }
    std::string text = header.dump();
    text.append((64 - (8 + text.size()) % 64) % 64, ' ');
    const std::uint64_t size = text.size();
    if (size > safetensors_detail::header_limit) {
      throw Failure(path_.string() + ": expected names, shapes and metadata of at most " +
                    std::to_string(safetensors_detail::header_limit) + " bytes, found " +
                    std::to_string(size));
    }
    file_.write(&size, sizeof size);
    file_.write(text.data(), text.size());
  }

  void append(std::span<const std::byte> bytes) {
    written_ += bytes.size();
    if (written_ > declared_) {
      throw Failure(path_.string() + ": expected " + std::to_string(declared_) +
                    " bytes of tensors, found at least " + std::to_string(written_));
    }
    if (!bytes.empty()) {
      file_.write(bytes.data(), bytes.size());
    }
  }

  void commit() {
    if (written_ != declared_) {
      throw Failure(path_.string() + ": expected " + std::to_string(declared_) +
                    " bytes of tensors, found " + std::to_string(written_));
    }
    file_.commit();
  }

private:
  std::filesystem::path path_;
  AtomicFile file_;
  std::uint64_t declared_ = 0;
  std::uint64_t written_ = 0;
};

/// A tensor to write: the bytes are borrowed, row-major and contiguous.
struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes `tensors` in one go, widest dtype first (as the reference writer does), otherwise in the
/// given order. Failure if a span does not fit its shape or the file cannot be written.
template <class = Once>
void write_safetensors(const std::filesystem::path& path, std::vector<SafetensorsTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {}) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                     return bits_of(a.dtype) > bits_of(b.dtype);
                   });
  std::vector<SafetensorsDeclaration> declarations;
  declarations.reserve(tensors.size());
  for (const SafetensorsTensor& tensor : tensors) {
    declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
    if (declarations.back().bytes() != tensor.bytes.size()) {
      throw Failure(path.string() + ": expected " + std::to_string(declarations.back().bytes()) +
                    " bytes for tensor \"" + tensor.name + "\", found " +
                    std::to_string(tensor.bytes.size()));
    }
  }
  SafetensorsWriter writer{path, declarations, metadata};
  for (const SafetensorsTensor& tensor : tensors) {
    writer.append(tensor.bytes);
  }
  writer.commit();
}
D2C_COMPILED_ONCE(void write_safetensors<>(const std::filesystem::path&,
                                           std::vector<SafetensorsTensor>,
                                           const std::map<std::string, std::string>&))

} // namespace d2c
