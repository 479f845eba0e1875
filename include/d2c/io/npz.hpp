#pragma once
/// NumPy archives (.npz): named arrays in a zip file without compression. Torch-free.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/zip_reader.hpp>

namespace d2c {

/// One named array, row-major; the bytes are borrowed.
struct NpzArray {
  std::string name;
  DType dtype = DType::U8;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

namespace npz_detail {

inline constexpr std::array<std::pair<DType, std::string_view>, 11> descriptions = {{
    {DType::BOOL, "|b1"},
    {DType::U8, "|u1"},
    {DType::I8, "|i1"},
    {DType::I16, "<i2"},
    {DType::I32, "<i4"},
    {DType::I64, "<i8"},
    {DType::U16, "<u2"},
    {DType::U32, "<u4"},
    {DType::F16, "<f2"},
    {DType::F32, "<f4"},
    {DType::F64, "<f8"},
}};

/// Header of an .npy file, version 1.0: the data begin at a multiple of 64 bytes.
inline std::string npy_header(const NpzArray& array) {
  std::string_view description;
  for (const auto& [dtype, text] : descriptions) {
    if (dtype == array.dtype) {
      description = text;
    }
  }
  if (description.empty()) {
    throw Failure("array \"" + array.name + "\": NumPy has no dtype for " +
                  std::string(name_of(array.dtype)));
  }
  std::string shape;
  for (const std::int64_t extent : array.shape) {
    shape += std::to_string(extent) + (array.shape.size() == 1 ? "," : ", ");
  }
  if (array.shape.size() > 1) {
    shape.resize(shape.size() - 2);
  }
  std::string text = "{'descr': '" + std::string(description) +
                     "', 'fortran_order': False, 'shape': (" + shape + "), }";
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  const auto size = static_cast<std::uint16_t>(text.size());
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(size & 0xff);
  header += static_cast<char>(size >> 8);
  return header + text;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

} // namespace npz_detail

/// Writes arrays as an .npz file, atomically; numpy.load opens it. All sizes are written as zip64,
/// so there is no limit at 4 GiB. Failure if a span does not fit its shape or writing fails.
template <class = Once>
void write_npz(const std::filesystem::path& path, const std::vector<NpzArray>& arrays) {
  using npz_detail::put;
  AtomicFile file{path};
  std::uint64_t at = 0;
  const auto write = [&](const void* data, std::size_t size) {
    if (size > 0) {
      file.write(data, size);
      at += size;
    }
  };
  std::string directory;
  for (const NpzArray& array : arrays) {
    std::uint64_t expected = static_cast<std::uint64_t>(bits_of(array.dtype) / 8);
    for (const std::int64_t extent : array.shape) {
      expected *= static_cast<std::uint64_t>(extent);
    }
    if (expected != array.bytes.size()) {
      throw Failure(path.string() + ": expected " + std::to_string(expected) +
                    " bytes for array \"" + array.name + "\", found " +
                    std::to_string(array.bytes.size()));
    }
    const std::string header = npz_detail::npy_header(array);
    const std::string name = array.name + ".npy";
    const std::uint64_t size = header.size() + array.bytes.size();
    const std::uint64_t offset = at;
    auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size());
    if (!array.bytes.empty()) {
      crc = crc32_z(crc, reinterpret_cast<const Bytef*>(array.bytes.data()), array.bytes.size());
    }
    // Version 4.5 (zip64), no flags, stored, dated 1980-01-01; sizes follow in the extra field.
    std::string common;
    put(common, std::uint16_t{45});
    put(common, std::uint16_t{0});
    put(common, std::uint16_t{0});
    put(common, std::uint16_t{0});
    put(common, std::uint16_t{0x21});
    put(common, static_cast<std::uint32_t>(crc));
    put(common, std::uint32_t{0xffffffff});
    put(common, std::uint32_t{0xffffffff});
    put(common, static_cast<std::uint16_t>(name.size()));

    std::string local = "PK\x03\x04" + common;
    put(local, std::uint16_t{20});
    local += name;
    put(local, std::uint16_t{1});
    put(local, std::uint16_t{16});
    put(local, size);
    put(local, size);
    write(local.data(), local.size());
    write(header.data(), header.size());
    write(array.bytes.data(), array.bytes.size());

    directory += "PK\x01\x02";
    put(directory, std::uint16_t{45});
    directory += common;
    put(directory, std::uint16_t{28});
    put(directory, std::uint16_t{0});
    put(directory, std::uint16_t{0});
    put(directory, std::uint16_t{0});
    put(directory, std::uint32_t{0});
    put(directory, std::uint32_t{0xffffffff});
    directory += name;
    put(directory, std::uint16_t{1});
    put(directory, std::uint16_t{24});
    put(directory, size);
    put(directory, size);
    put(directory, offset);
  }
  const std::uint64_t directory_at = at;
  write(directory.data(), directory.size());
  const std::uint64_t record_at = at;
  std::string end = "PK\x06\x06";
  put(end, std::uint64_t{44});
  put(end, std::uint16_t{45});
  put(end, std::uint16_t{45});
  put(end, std::uint32_t{0});
  put(end, std::uint32_t{0});
  put(end, static_cast<std::uint64_t>(arrays.size()));
  put(end, static_cast<std::uint64_t>(arrays.size()));
  put(end, static_cast<std::uint64_t>(directory.size()));
  put(end, directory_at);
  end += "PK\x06\x07";
  put(end, std::uint32_t{0});
  put(end, record_at);
  put(end, std::uint32_t{1});
  end += "PK\x05\x06";
  put(end, std::uint32_t{0});
  put(end, std::uint16_t{0xffff});
  put(end, std::uint16_t{0xffff});
  put(end, std::uint32_t{0xffffffff});
  put(end, std::uint32_t{0xffffffff});
  put(end, std::uint16_t{0});
  write(end.data(), end.size());
  file.commit();
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
