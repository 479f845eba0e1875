#pragma once
/// Writing NumPy archives (.npz) piece by piece, so that an array need not be in memory as a whole.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>

namespace d2c {

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
inline std::string npy_header(const std::string& name, DType dtype,
                              const std::vector<std::int64_t>& extents) {
  std::string_view description;
  for (const auto& [each, text] : descriptions) {
    if (each == dtype) {
      description = text;
    }
  }
  if (description.empty()) {
    throw Failure("array \"" + name + "\": NumPy has no dtype for " + std::string(name_of(dtype)));
  }
  std::string shape;
  for (const std::int64_t extent : extents) {
    shape += std::to_string(extent) + (extents.size() == 1 ? "," : ", ");
  }
  if (extents.size() > 1) {
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

/// One .npz file, atomic; numpy.load opens it. begin() an array, append() its bytes in pieces of
/// any size, then the next array, then commit(). All sizes are written as zip64, so there is no
/// limit at 4 GiB. Failure if an array gets more or fewer bytes than its shape has, a name comes
/// twice, NumPy has no such dtype, or writing fails.
class NpzWriter {
public:
  explicit NpzWriter(std::filesystem::path path) : file_{std::move(path)} {}

  void begin(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
    end_array();
    if (!names_.insert(name).second) {
      throw Failure(file_.path().string() + ": expected arrays of distinct names, found \"" + name +
                    "\" again");
    }
    std::uint64_t bytes = static_cast<std::uint64_t>(bits_of(dtype) / 8);
    for (const std::int64_t extent : shape) {
      bytes *= static_cast<std::uint64_t>(extent);
    }
    const std::string header = npz_detail::npy_header(name, dtype, shape);
    open_ = Open{.name = name, .offset = at_, .declared = bytes};
    // The checksum is not known yet: it follows the data (bit 3), sizes too.
    const std::string entry = name + ".npy";
    std::string local = "PK\x03\x04" + common_fields(0, entry.size());
    npz_detail::put(local, std::uint16_t{20});
    local += entry;
    npz_detail::put(local, std::uint16_t{1});
    npz_detail::put(local, std::uint16_t{16});
    npz_detail::put(local, std::uint64_t{0});
    npz_detail::put(local, std::uint64_t{0});
    write(local);
    write_checked(std::as_bytes(std::span(header)));
  }

  void append(std::span<const std::byte> bytes) {
    if (!open_) {
      throw Failure(file_.path().string() + ": expected an array to be begun, found none");
    }
    open_->written += bytes.size();
    if (open_->written > open_->declared) {
      throw wrong_size("at least ");
    }
    write_checked(bytes);
  }

  void commit() {
    end_array();
    const std::uint64_t directory_at = at_;
    write(directory_);
    const std::uint64_t record_at = at_;
    const auto arrays = static_cast<std::uint64_t>(names_.size());
    using npz_detail::put;
    std::string end = "PK\x06\x06";
    put(end, std::uint64_t{44});
    put(end, std::uint16_t{45});
    put(end, std::uint16_t{45});
    put(end, std::uint32_t{0});
    put(end, std::uint32_t{0});
    put(end, arrays);
    put(end, arrays);
    put(end, static_cast<std::uint64_t>(directory_.size()));
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
    write(end);
    file_.commit();
  }

private:
  struct Open {
    std::string name;
    std::uint64_t offset = 0;   ///< of its local header
    std::uint64_t declared = 0; ///< bytes of the array
    std::uint64_t written = 0;
    std::uint64_t entry = 0; ///< bytes of the .npy file so far
    uLong checksum = 0;
  };

  /// Version 4.5 (zip64), data descriptor, stored, dated 1980-01-01; sizes are in the extra field.
  static std::string common_fields(uLong checksum, std::size_t name_size) {
    using npz_detail::put;
    std::string fields;
    put(fields, std::uint16_t{45});
    put(fields, std::uint16_t{8});
    put(fields, std::uint16_t{0});
    put(fields, std::uint16_t{0});
    put(fields, std::uint16_t{0x21});
    put(fields, static_cast<std::uint32_t>(checksum));
    put(fields, std::uint32_t{0xffffffff});
    put(fields, std::uint32_t{0xffffffff});
    put(fields, static_cast<std::uint16_t>(name_size));
    return fields;
  }

  [[nodiscard]] Failure wrong_size(const std::string& at_least) const {
    return Failure(file_.path().string() + ": expected " + std::to_string(open_->declared) +
                   " bytes for array \"" + open_->name + "\", found " + at_least +
                   std::to_string(open_->written));
  }

  void write(std::string_view text) {
    file_.write(text.data(), text.size());
    at_ += text.size();
  }

  void write_checked(std::span<const std::byte> bytes) {
    if (!bytes.empty()) {
      open_->checksum =
          crc32_z(open_->checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
      open_->entry += bytes.size();
      file_.write(bytes);
      at_ += bytes.size();
    }
  }

  void end_array() {
    if (!open_) {
      return;
    }
    if (open_->written != open_->declared) {
      throw wrong_size("");
    }
    using npz_detail::put;
    std::string descriptor = "PK\x07\x08";
    put(descriptor, static_cast<std::uint32_t>(open_->checksum));
    put(descriptor, open_->entry);
    put(descriptor, open_->entry);
    write(descriptor);

    const std::string entry = open_->name + ".npy";
    directory_ += "PK\x01\x02";
    put(directory_, std::uint16_t{45});
    directory_ += common_fields(open_->checksum, entry.size());
    put(directory_, std::uint16_t{28});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint32_t{0});
    put(directory_, std::uint32_t{0xffffffff});
    directory_ += entry;
    put(directory_, std::uint16_t{1});
    put(directory_, std::uint16_t{24});
    put(directory_, open_->entry);
    put(directory_, open_->entry);
    put(directory_, open_->offset);
    open_.reset();
  }

  AtomicFile file_;
  std::uint64_t at_ = 0;
  std::string directory_;
  std::set<std::string> names_;
  std::optional<Open> open_;
};

} // namespace d2c
