#pragma once
/// Writing NumPy archives (.npz) piece by piece, so that an array need not be in memory as a whole.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/zip_writer.hpp>

namespace d2c {

namespace npz_detail {

inline constexpr std::array<std::pair<DType, std::string_view>, 12> descriptions = {{
    {DType::BOOL, "|b1"},
    {DType::U8, "|u1"},
    {DType::I8, "|i1"},
    {DType::I16, "<i2"},
    {DType::I32, "<i4"},
    {DType::I64, "<i8"},
    {DType::U16, "<u2"},
    {DType::U32, "<u4"},
    {DType::U64, "<u8"},
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

} // namespace npz_detail

/// One .npz file, atomic; numpy.load opens it. begin() an array, append() its bytes in pieces of
/// any size, then the next array, then commit(). There is no limit at 4 GiB. Failure if an array
/// gets more or fewer bytes than its shape has, a name comes twice, NumPy has no such dtype, or
/// writing fails.
class NpzWriter {
public:
  explicit NpzWriter(std::filesystem::path path) : zip_{std::move(path)} {}

  void begin(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
    end_array();
    std::uint64_t bytes = static_cast<std::uint64_t>(bits_of(dtype) / 8);
    for (const std::int64_t extent : shape) {
      bytes *= static_cast<std::uint64_t>(extent);
    }
    const std::string header = npz_detail::npy_header(name, dtype, shape);
    zip_.begin(name + ".npy");
    zip_.append(header);
    open_ = Open{.name = name, .declared = bytes};
  }

  void append(std::span<const std::byte> bytes) {
    if (!open_) {
      throw Failure(zip_.path().string() + ": expected an array to be begun, found none");
    }
    open_->written += bytes.size();
    if (open_->written > open_->declared) {
      throw wrong_size("at least ");
    }
    zip_.append(bytes);
  }

  void commit() {
    end_array();
    zip_.commit();
  }

private:
  struct Open {
    std::string name;
    std::uint64_t declared = 0; ///< bytes of the array
    std::uint64_t written = 0;
  };

  [[nodiscard]] Failure wrong_size(const std::string& at_least) const {
    return Failure(zip_.path().string() + ": expected " + std::to_string(open_->declared) +
                   " bytes for array \"" + open_->name + "\", found " + at_least +
                   std::to_string(open_->written));
  }

  void end_array() {
    if (open_ && open_->written != open_->declared) {
      throw wrong_size("");
    }
    open_.reset();
  }

  ZipWriter zip_;
  std::optional<Open> open_;
};

} // namespace d2c
