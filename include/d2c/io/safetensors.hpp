#pragma once
/// Reading safetensors files: validated and mapped, never copied. Torch-free; tensors are byte
/// spans. Writing is in io/safetensors_writer.hpp, conversion to tensors in io/tensor_io.hpp.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/element_count.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

static_assert(std::endian::native == std::endian::little,
              "safetensors, checkpoints and shards are read as little-endian memory");

/// One stored tensor: row-major bytes inside the mapping. The bytes need not be aligned, so copy
/// them with memcpy.
struct SafetensorsEntry {
  DType dtype = DType::U8;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  [[nodiscard]] std::int64_t count() const { return element_count(shape); }
};

namespace safetensors_detail {

inline constexpr std::uint64_t header_limit = 100'000'000;
inline constexpr std::size_t rank_limit = 64; ///< PyTorch's own

struct Declared {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

/// Takes the header's JSON event by event, so that duplicate keys are seen and nothing but the
/// three known fields and a map of strings is accepted.
class HeaderReader {
public:
  explicit HeaderReader(std::string where) : where_{std::move(where)} {}

  std::vector<Declared> tensors;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t) {
    ++depth_;
    if (depth_ == 2) {
      if (in_metadata_) {
        return true;
      }
      tensors.push_back({top_key_, std::nullopt, std::nullopt, std::nullopt});
    } else if (depth_ > 2) {
      fail("an object where a value was expected");
    }
    return true;
  }

  bool end_object() {
    if (depth_ == 2 && !in_metadata_) {
      const Declared& last = tensors.back();
      if (!last.dtype || !last.shape || !last.offsets) {
        fail("no " + std::string(!last.dtype ? "dtype" : !last.shape ? "shape" : "data_offsets"));
      }
    }
    --depth_;
    return true;
  }

  bool key(std::string& name) {
    if (depth_ == 1) {
      if (!seen_.insert(name).second) {
        throw InputError(where_ + ": expected every tensor once, found the key \"" + name +
                         "\" twice");
      }
      top_key_ = name;
      field_.clear();
      in_metadata_ = name == "__metadata__";
    } else {
      field_ = name;
      if (in_metadata_ && metadata.contains(name)) {
        fail("the key \"" + name + "\" twice");
      }
      if (!in_metadata_ && name != "dtype" && name != "shape" && name != "data_offsets") {
        fail("the unknown field \"" + name + "\"");
      }
    }
    return true;
  }

  bool string(std::string& value) {
    if (depth_ == 2 && in_metadata_) {
      metadata.emplace(field_, value);
      return true;
    }
    if (depth_ != 2 || field_ != "dtype" || list_ != nullptr) {
      fail("the string \"" + value + "\" where none belongs");
    }
    if (tensors.back().dtype) {
      fail("the field dtype twice");
    }
    tensors.back().dtype = dtype_named(value);
    if (!tensors.back().dtype) {
      fail("the unknown dtype \"" + value + "\"");
    }
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr ||
        (field_ != "shape" && field_ != "data_offsets")) {
      fail("a list where none belongs");
    }
    auto& target = field_ == "shape" ? tensors.back().shape : tensors.back().offsets;
    if (target) {
      fail("the field " + field_ + " twice");
    }
    target.emplace();
    list_ = &*target;
    return true;
  }

  bool end_array() {
    list_ = nullptr;
    return true;
  }

  bool number_unsigned(std::uint64_t value) {
    if (list_ == nullptr) {
      fail("the number " + std::to_string(value) + " where none belongs");
    }
    if (list_->size() >= rank_limit) {
      fail("more than " + std::to_string(rank_limit) + " numbers in " + field_);
    }
    list_->push_back(value);
    return true;
  }

  bool number_integer(std::int64_t value) { fail("the negative number " + std::to_string(value)); }

  bool number_float(double, const std::string& text) { fail("the number " + text); }

  bool null() { fail("null"); }

  bool boolean(bool) { fail("a boolean"); }

  bool binary(std::vector<std::uint8_t>&) { fail("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const std::exception&) {
    throw InputError(where_ + ": expected a JSON header, found a syntax error at its byte " +
                     std::to_string(position));
  }

private:
  [[noreturn]] void fail(const std::string& found) const {
    throw InputError(where_ + ": expected " +
                     (depth_ < 1 ? std::string("a JSON object as header")
                      : in_metadata_
                          ? std::string("__metadata__ to map strings to strings")
                          : "tensor \"" + top_key_ + "\" to have dtype, shape and data_offsets") +
                     ", found " + found);
  }

  std::string where_;
  std::set<std::string> seen_;
  std::string top_key_;
  std::string field_;
  int depth_ = 0;
  bool in_metadata_ = false;
  std::vector<std::uint64_t>* list_ = nullptr;
};

} // namespace safetensors_detail

/// A validated safetensors file. The constructor maps it and checks all the format asks for: header
/// size and syntax, unique names, known dtypes, sizes that fit their shapes, tensors that cover the
/// data without gap, overlap or rest. Anything else is an InputError before a byte is allocated.
/// Source: the safetensors README and the checks of its reference reader.
class SafetensorsFile {
public:
  explicit SafetensorsFile(const std::filesystem::path& path) : file_{path} {
    using namespace safetensors_detail;
    const std::string where = path.string();
    const auto bytes = file_.bytes();
    if (bytes.size() < 8) {
      throw InputError(where + ": expected a safetensors file of at least 8 bytes, found " +
                       std::to_string(bytes.size()));
    }
    std::uint64_t header_size = 0;
    std::memcpy(&header_size, bytes.data(), 8);
    if (header_size > header_limit || header_size > bytes.size() - 8) {
      throw InputError(where + ": expected a safetensors header of at most " +
                       std::to_string(std::min<std::uint64_t>(header_limit, bytes.size() - 8)) +
                       " bytes, found a header size of " + std::to_string(header_size) +
                       " (a truncated file or another format)");
    }
    const auto* text = reinterpret_cast<const char*>(bytes.data() + 8);
    if (header_size == 0 || text[0] != '{') {
      throw InputError(
          where + ": expected a safetensors header that begins with '{', found another format");
    }
    HeaderReader header{where};
    nlohmann::json::sax_parse(text, text + header_size, &header);
    metadata_ = std::move(header.metadata);
    const auto data = bytes.subspan(8 + header_size);
    lay_out(where, header.tensors, data);
  }

  /// Names of all tensors, in file order.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  [[nodiscard]] bool has(std::string_view name) const { return entries_.contains(name); }

  /// The tensor of that name; InputError if there is none.
  [[nodiscard]] const SafetensorsEntry& entry(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      throw InputError(file_.path().string() + ": expected a tensor named \"" + std::string(name) +
                       "\", found " + std::to_string(names_.size()) + " tensors without it");
    }
    return found->second;
  }

  /// Copies a tensor of element type T; InputError if it has another dtype.
  template <class T>
  [[nodiscard]] std::vector<T> values(std::string_view name) const {
    const SafetensorsEntry& found = entry(name);
    if (found.dtype != dtype_of<T>()) {
      throw InputError(file_.path().string() + ": expected tensor \"" + std::string(name) +
                       "\" as " + std::string(name_of(dtype_of<T>())) + ", found " +
                       std::string(name_of(found.dtype)));
    }
    std::vector<T> copy(found.bytes.size() / sizeof(T));
    if (!copy.empty()) {
      std::memcpy(copy.data(), found.bytes.data(), found.bytes.size());
    }
    return copy;
  }

  /// The header's `__metadata__`, empty if it has none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

  /// The mapping that the bytes of all entries lie in.
  [[nodiscard]] const MappedFile& file() const { return file_; }

private:
  void lay_out(const std::string& where, std::vector<safetensors_detail::Declared>& tensors,
               std::span<const std::byte> data) {
    for (const auto& tensor : tensors) {
      if (tensor.offsets->size() != 2 || (*tensor.offsets)[0] > (*tensor.offsets)[1]) {
        throw InputError(where + ": expected tensor \"" + tensor.name +
                         "\" to have two rising data_offsets, found others");
      }
    }
    std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
      return std::pair(*a.offsets, std::string_view(a.name)) <
             std::pair(*b.offsets, std::string_view(b.name));
    });
    std::uint64_t end = 0;
    for (auto& tensor : tensors) {
      const std::uint64_t from = (*tensor.offsets)[0];
      const std::uint64_t to = (*tensor.offsets)[1];
      if (from != end) {
        throw InputError(where + ": expected tensor \"" + tensor.name + "\" to begin at byte " +
                         std::to_string(end) + " of the data, found " + std::to_string(from) +
                         (from < end ? " (it overlaps its neighbour)" : " (a gap)"));
      }
      if (to > data.size()) {
        throw InputError(where + ": expected " + std::to_string(to) +
                         " bytes of data for tensor \"" + tensor.name + "\", found " +
                         std::to_string(data.size()) + " (a truncated file)");
      }
      check_size(where, tensor, to - from);
      end = to;
      std::vector<std::int64_t> shape(tensor.shape->begin(), tensor.shape->end());
      names_.push_back(tensor.name);
      entries_.emplace(tensor.name,
                       SafetensorsEntry{*tensor.dtype, std::move(shape),
                                        data.subspan(from, static_cast<std::size_t>(to - from))});
    }
    if (end != data.size()) {
      throw InputError(where + ": expected the tensors to cover " + std::to_string(data.size()) +
                       " bytes of data, found that they end at " + std::to_string(end));
    }
  }

  static void check_size(const std::string& where, const safetensors_detail::Declared& tensor,
                         std::uint64_t size) {
    // Extents beyond 2^63 would not fit the signed shape, and no product may wrap around, not even
    // one that a zero extent cancels: the strides of an empty tensor are products of the others.
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    std::uint64_t bits = static_cast<std::uint64_t>(bits_of(*tensor.dtype));
    bool overflow = false;
    bool empty = false;
    for (const std::uint64_t extent : *tensor.shape) {
      const std::uint64_t factor = std::max<std::uint64_t>(extent, 1);
      empty = empty || extent == 0;
      overflow = overflow || extent > limit || bits > limit / factor;
      bits = overflow ? 0 : bits * factor;
    }
    if (overflow) {
      throw InputError(where + ": expected tensor \"" + tensor.name +
                       "\" to have a shape of at most 2^63 bits, found more");
    }
    bits = empty ? 0 : bits;
    if (bits % 8 != 0 || bits / 8 != size) {
      throw InputError(where + ": expected tensor \"" + tensor.name + "\" to hold " +
                       std::to_string(bits / 8) + (bits % 8 != 0 ? " and a part" : "") +
                       " bytes by its shape and dtype " + std::string(name_of(*tensor.dtype)) +
                       ", found " + std::to_string(size) + " by its data_offsets");
    }
  }

  MappedFile file_;
  std::vector<std::string> names_;
  std::map<std::string, SafetensorsEntry, std::less<>> entries_;
  std::map<std::string, std::string> metadata_;
};

} // namespace d2c
