#pragma once
/// NumPy archives (.npz): named arrays in a zip file without compression. Torch-free.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/npz_writer.hpp>
#include <d2c/io/zip_reader.hpp>

namespace d2c {

/// One named array, row-major; the bytes are borrowed.
struct NpzArray {
  std::string name;
  DType dtype = DType::U8;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes arrays as an .npz file, atomically (see NpzWriter). Failure if a span does not fit its
/// shape or writing fails.
template <class = Once>
void write_npz(const std::filesystem::path& path, const std::vector<NpzArray>& arrays) {
  NpzWriter writer{path};
  for (const NpzArray& array : arrays) {
    writer.begin(array.name, array.dtype, array.shape);
    writer.append(array.bytes);
  }
  writer.commit();
}
D2C_COMPILED_ONCE(void write_npz<>(const std::filesystem::path&, const std::vector<NpzArray>&))

/// An .npz file without compression, mapped. InputError on a damaged, compressed or foreign file,
/// on Fortran order, and on dtypes beyond plain little-endian numbers.
class NpzFile {
public:
  explicit NpzFile(const std::filesystem::path& path)
      : file_{path}, zip_{path.string(), checked(path, file_.bytes())} {}

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const std::string& entry : zip_.names()) {
      if (entry.ends_with(".npy")) {
        names.push_back(entry.substr(0, entry.size() - 4));
      }
    }
    return names;
  }

  /// The array of that name. Its bytes need not be aligned and live as long as this object.
  [[nodiscard]] NpzArray array(const std::string& name) const {
    const auto bytes = zip_.entry(name + ".npy");
    const auto fail = [&](const std::string& expected) {
      return InputError(file_.path().string() + ": expected array \"" + name + "\" " + expected +
                        ", found another");
    };
    if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0 ||
        (bytes[6] != std::byte{1} && bytes[6] != std::byte{2})) {
      throw fail("to begin as a NumPy file of version 1 or 2");
    }
    const bool wide = bytes[6] == std::byte{2};
    const std::size_t begin = wide ? 12 : 10;
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data() + 8, std::min<std::size_t>(wide ? 4 : 2, bytes.size() - 8));
    if (bytes.size() < begin || bytes.size() - begin < size) {
      throw fail("to have a whole header");
    }
    const std::string_view header{reinterpret_cast<const char*>(bytes.data()) + begin, size};
    if (value_of(header, "'fortran_order':") != "False") {
      throw fail("in C order");
    }
    NpzArray result{name, DType::U8, {}, bytes.subspan(begin + size)};
    const std::string_view description = value_of(header, "'descr':");
    bool known = false;
    for (const auto& [dtype, text] : npz_detail::descriptions) {
      if (description.size() == 5 && description.substr(1, 3) == text) {
        result.dtype = dtype;
        known = true;
      }
    }
    if (!known) {
      throw fail("of a plain little-endian number type");
    }
    std::uint64_t total = static_cast<std::uint64_t>(bits_of(result.dtype) / 8);
    const auto open = header.find('(');
    const auto close = header.find(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
      throw fail("to have a shape");
    }
    std::uint64_t extent = 0;
    bool digits = false;
    for (const char c : header.substr(open + 1, close - open)) {
      if (c >= '0' && c <= '9') {
        extent = extent * 10 + static_cast<std::uint64_t>(c - '0');
        digits = true;
        if (extent > bytes.size()) {
          throw fail("to fit its shape");
        }
      } else if (c == ',' || c == ')') {
        if (digits) {
          result.shape.push_back(static_cast<std::int64_t>(extent));
          // Beyond the file it stays beyond, so the product cannot wrap around.
          total = extent != 0 && total > bytes.size() / extent ? bytes.size() + 1 : total * extent;
        }
        extent = 0;
        digits = false;
      } else if (c != ' ') {
        throw fail("to have a shape of numbers");
      }
    }
    if (total != result.bytes.size()) {
      throw fail("to fit its shape");
    }
    return result;
  }

private:
  static std::span<const std::byte> checked(const std::filesystem::path& path,
                                            std::span<const std::byte> bytes) {
    if (!ZipReader::is_zip(bytes)) {
      throw InputError(path.string() + ": expected a NumPy archive (a zip file), found another "
                                       "beginning");
    }
    return bytes;
  }

  /// The text between `key` and the next comma, without blanks around.
  static std::string_view value_of(std::string_view header, std::string_view key) {
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

  MappedFile file_;
  ZipReader zip_;
};

} // namespace d2c
