#pragma once
/// IDX files (the MNIST format) of unsigned bytes, plain or gzipped. Torch-free.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/gzip.hpp>
#include <d2c/io/inflation_limit.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// An array of bytes with its extents, row-major.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
};

namespace idx_detail {

inline std::uint32_t big_endian(const std::byte* bytes) {
  return std::to_integer<std::uint32_t>(bytes[0]) << 24 |
         std::to_integer<std::uint32_t>(bytes[1]) << 16 |
         std::to_integer<std::uint32_t>(bytes[2]) << 8 | std::to_integer<std::uint32_t>(bytes[3]);
}

/// A file's bytes in order, whether they are gzipped or not.
class ByteSource {
public:
  explicit ByteSource(const std::filesystem::path& path) : file_{path}, rest_{file_.bytes()} {
    if (GzipReader::is_gzip(rest_)) {
      gzip_.emplace(path.string(), rest_);
    }
  }

  [[nodiscard]] std::uint64_t most_bytes() const {
    return gzip_ ? inflation_limit(file_.size()) : file_.size();
  }

  std::size_t read(std::span<std::byte> out) {
    if (gzip_) {
      return gzip_->read(out);
    }
    const std::size_t count = std::min(out.size(), rest_.size());
    if (count > 0) {
      std::memcpy(out.data(), rest_.data(), count);
    }
    rest_ = rest_.subspan(count);
    return count;
  }

  bool at_end() { return gzip_ ? gzip_->at_end() : rest_.empty(); }

private:
  MappedFile file_;
  std::span<const std::byte> rest_;
  std::optional<GzipReader> gzip_;
};

} // namespace idx_detail

/// Reads an IDX file of unsigned bytes with `dimensions` extents (3: images [n, height, width],
/// 1: labels [n]). InputError on another magic, element type or rank, and on a file that is shorter
/// or longer than its header says; a lying header allocates nothing.
inline IdxArray read_idx(const std::filesystem::path& path, int dimensions) {
  const std::string where = path.string();
  idx_detail::ByteSource source{path};
  const auto truncated = [&](const std::string& part) {
    return InputError(where + ": expected " + part + ", found the end of the file");
  };

  std::array<std::byte, 4> magic{};
  if (source.read(magic) != magic.size()) {
    throw truncated("an IDX file that begins with 4 bytes of magic number");
  }
  const std::uint32_t expected = 0x00000800U + static_cast<std::uint32_t>(dimensions);
  const std::uint32_t found = idx_detail::big_endian(magic.data());
  if (found != expected) {
    char text[160];
    std::snprintf(text, sizeof text,
                  ": expected the IDX magic number 0x%08x (unsigned bytes, %d dimension%s), found "
                  "0x%08x",
                  expected, dimensions, dimensions == 1 ? "" : "s", found);
    throw InputError(where + text);
  }

  IdxArray array;
  const std::uint64_t most = source.most_bytes();
  std::uint64_t count = 1;
  std::string shape_text;
  for (int d = 0; d < dimensions; ++d) {
    std::array<std::byte, 4> extent{};
    if (source.read(extent) != extent.size()) {
      throw truncated(std::to_string(dimensions) + " IDX extents");
    }
    const std::uint64_t value = idx_detail::big_endian(extent.data());
    array.shape.push_back(static_cast<std::int64_t>(value));
    shape_text += (d == 0 ? "" : " x ") + std::to_string(value);
    // Once above what the file can hold it stays there, so that the product cannot wrap around.
    if (count <= most) {
      count = value != 0 && count > most / value ? most + 1 : count * value;
    }
  }
  if (count > most) {
    throw InputError(where + ": expected at most " + std::to_string(most) +
                     " values in a file of this size, found a header that says " + shape_text);
  }
  // A gzipped file may claim a thousandfold of its size: memory grows with what comes.
  std::size_t got = 0;
  do {
    const std::size_t end = std::min<std::size_t>(count, 4 * got + (std::size_t{1} << 20));
    array.values.resize(end);
    got += source.read(std::as_writable_bytes(std::span(array.values).subspan(got)));
  } while (got == array.values.size() && got < count);
  if (got != count) {
    throw InputError(where + ": expected " + std::to_string(count) + " values (" + shape_text +
                     "), found " + std::to_string(got) + " (a truncated file)");
  }
  if (!source.at_end()) {
    throw InputError(where + ": expected " + std::to_string(count) + " values (" + shape_text +
                     "), found more data behind them");
  }
  return array;
}

} // namespace d2c
