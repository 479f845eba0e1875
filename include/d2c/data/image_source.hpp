#pragma once
/// What every source of images of differing sizes offers: how many there are, the class and the
/// name of each, and its pixels on demand. Torch-free; nothing is resized here.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/io/decoded_image.hpp>

namespace d2c {

/// A labelled list of images whose sizes are known only when they are decoded. After construction
/// nothing changes, and every function may be called from several threads at once.
class ImageSource {
public:
  virtual ~ImageSource() = default;

  /// Images in the source, in an order that depends on its content alone.
  [[nodiscard]] virtual std::int64_t size() const = 0;

  /// Class of image i, 0 .. class_names().size() - 1.
  [[nodiscard]] virtual std::int32_t label(std::int64_t i) const = 0;

  /// Unique, stable name of image i, such as a path relative to the root.
  [[nodiscard]] virtual std::string id(std::int64_t i) const = 0;

  /// Names of the classes, by label.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;

  /// The pixels of image i as RGB. InputError, in one sentence that names the file and the reason,
  /// if it cannot be decoded; the source stays usable.
  [[nodiscard]] virtual DecodedImage decode(std::int64_t i) const = 0;

protected:
  ImageSource() = default;
  ImageSource(const ImageSource&) = default;
  ImageSource& operator=(const ImageSource&) = default;
};

} // namespace d2c
