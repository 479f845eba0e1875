#pragma once
/// NumPy's format for one array (.npy), alone in a file or inside an archive. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/npz_writer.hpp>

namespace d2c {

/// One named array, row-major; the bytes are borrowed, unless `owner` keeps them.
struct NpzArray {
  std::string name;
  DType dtype = DType::U8;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte[]> owner = nullptr;
};

namespace npz_detail {

/// The text between `key` and the next comma, without blanks around.
inline std::string_view npy_value_of(std::string_view header, std::string_view key) {
  const auto found = header.find(key);
  if (found == std::string_view::npos) {
    return {};
  }
  std::string_view rest = header.substr(found + key.size());
  rest = rest.substr(0, rest.find(','));
  while (rest.starts_with(' ')) {
    rest.remove_prefix(1);
  }
  return rest;
}

} // namespace npz_detail

/// The array called `name` from the bytes of an .npy file, which must outlive it. InputError, which
/// begins with `where`, on a damaged one, on Fortran order, and on dtypes beyond plain
/// little-endian numbers.
inline NpzArray parse_npy(std::span<const std::byte> bytes, const std::string& name,
                          const std::string& where) {
  const auto fail = [&](const std::string& expected, std::string_view found) {
    return InputError(where + ": expected array \"" + name + "\" " + expected + ", found " +
                      std::string(found.substr(0, 200)));
  };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0 ||
      (bytes[6] != std::byte{1} && bytes[6] != std::byte{2})) {
    throw fail("to begin as a NumPy file of version 1 or 2", "another beginning");
  }
  const bool wide = bytes[6] == std::byte{2};
  const std::size_t begin = wide ? 12 : 10;
  std::uint32_t size = 0;
  std::memcpy(&size, bytes.data() + 8, std::min<std::size_t>(wide ? 4 : 2, bytes.size() - 8));
  if (bytes.size() < begin || bytes.size() - begin < size) {
    throw fail("to have a whole header", "its end (a truncated file)");
  }
  const std::string_view header{reinterpret_cast<const char*>(bytes.data()) + begin, size};
  if (npz_detail::npy_value_of(header, "'fortran_order':") != "False") {
    throw fail("in C order", "Fortran's");
  }
  NpzArray result{name, DType::U8, {}, bytes.subspan(begin + size)};
  const std::string_view description = npz_detail::npy_value_of(header, "'descr':");
  bool known = false;
  for (const auto& [dtype, text] : npz_detail::descriptions) {
    if (description.size() == 5 && description.substr(1, 3) == text) {
      result.dtype = dtype;
      known = true;
    }
  }
  if (!known) {
    throw fail("of a plain little-endian number type", description.empty() ? "none" : description);
  }
  // A product beyond the limit stays beyond, so it cannot wrap around. Zero extents are left out:
  // the strides of an empty array are products of the others.
  constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t total = static_cast<std::uint64_t>(bits_of(result.dtype) / 8);
  bool empty = false;
  const auto open = header.find('(');
  const auto close = header.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    throw fail("to have a shape", "none");
  }
  const std::string_view shape = header.substr(open, close + 1 - open);
  const auto misfit = [&] {
    return fail("of " + std::string(description) + " to fit its shape",
                std::to_string(result.bytes.size()) + " bytes for " + std::string(shape));
  };
  constexpr std::size_t rank_limit = 64; // NumPy's own
  std::uint64_t extent = 0;
  bool digits = false;
  bool ended = false; // by a blank
  for (const char c : shape.substr(1)) {
    if (c >= '0' && c <= '9' && !ended) {
      extent = extent * 10 + static_cast<std::uint64_t>(c - '0');
      digits = true;
      if (extent > bytes.size()) {
        throw misfit();
      }
    } else if (c == ',' || c == ')') {
      if (digits) {
        if (result.shape.size() >= rank_limit) {
          throw fail("to have at most " + std::to_string(rank_limit) + " extents", "more");
        }
        result.shape.push_back(static_cast<std::int64_t>(extent));
        const std::uint64_t factor = std::max<std::uint64_t>(extent, 1);
        total = total > limit / factor ? limit + 1 : total * factor;
        empty = empty || extent == 0;
      }
      extent = 0;
      digits = false;
      ended = false;
    } else if (c == ' ') {
      ended = digits;
    } else {
      throw fail("to have a shape of numbers", shape);
    }
  }
  if (empty && total > limit) {
    throw fail("to have a shape of at most 2^63 bytes", shape);
  }
  if ((empty ? 0 : total) != result.bytes.size()) {
    throw misfit();
  }
  return result;
}

/// An .npy file, mapped. InputError as parse_npy.
class NpyFile {
public:
  explicit NpyFile(const std::filesystem::path& path)
      : file_{path}, array_{parse_npy(file_.bytes(), path.stem().string(), path.string())} {}

  [[nodiscard]] const NpzArray& array() const { return array_; }

private:
  MappedFile file_;
  NpzArray array_;
};

/// Writes one array as an .npy file, atomically; numpy.load opens it. Failure if the bytes do not
/// fit the shape or writing fails.
inline void write_npy(const std::filesystem::path& path, DType dtype,
                      const std::vector<std::int64_t>& shape, std::span<const std::byte> bytes,
                      Durability durability = Durability::at_once) {
  std::uint64_t expected = static_cast<std::uint64_t>(bits_of(dtype) / 8);
  for (const std::int64_t extent : shape) {
    expected *= static_cast<std::uint64_t>(extent);
  }
  if (bytes.size() != expected) {
    throw Failure(path.string() + ": expected " + std::to_string(expected) +
                  " bytes of its shape, found " + std::to_string(bytes.size()));
  }
  std::string text = npz_detail::npy_header(path.stem().string(), dtype, shape);
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  write_file_atomically(path, text, durability);
}

} // namespace d2c
