#pragma once
/// NumPy archives (.npz): named arrays in a zip file, compressed or not. Torch-free.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/npy.hpp>
#include <d2c/io/npz_writer.hpp>
#include <d2c/io/zip_reader.hpp>

namespace d2c {

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

/// An .npz file, mapped. Arrays of numpy.savez are borrowed from it, those of savez_compressed are
/// unpacked when they are asked for. InputError on a damaged (checksums are verified) or foreign
/// file, on one that claims to unpack to more than inflation_limit, on Fortran order, and on dtypes
/// beyond plain little-endian numbers.
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

  /// The array of that name. Its bytes need not be aligned and live as long as this object, or as
  /// the array's owner where it was compressed. Every call reads the whole array for its checksum,
  /// a mapped one piece by piece without keeping it in memory: ask once.
  [[nodiscard]] NpzArray array(const std::string& name) const {
    const MappedFile::Reader reader{file_};
    std::vector<std::byte> piece(ZipReader::piece);
    ZipContent content = zip_.content(name + ".npy", [&](std::span<const std::byte> part) {
      reader.read(part, piece.data());
      return std::span<const std::byte>{piece}.first(part.size());
    });
    NpzArray array = parse_npy(content.bytes, name, file_.path().string());
    array.owner = std::move(content.owner);
    return array;
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

  MappedFile file_;
  ZipReader zip_;
};

} // namespace d2c
