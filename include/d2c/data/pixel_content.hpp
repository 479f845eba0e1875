#pragma once
/// What names the pixels of a set of images. Torch-free.

#include <cstddef>
#include <cstdint>
#include <string>

#include <d2c/core/hash.hpp>
#include <d2c/data/image_set.hpp>

namespace d2c {

/// The size of the images with the set's own name for its content or, where it has none, the hash
/// of each image: wherever they lie, equal pixels give equal text.
inline std::string pixel_content(const ImageSet& images) {
  std::string content = images.content;
  if (content.empty()) {
    for (std::int64_t i = 0; i < images.size(); ++i) {
      content += hash_of_text({reinterpret_cast<const char*>(images.image(i)),
                               static_cast<std::size_t>(images.image_bytes())});
    }
  }
  return std::to_string(images.channels) + " " + std::to_string(images.height) + " " +
         std::to_string(images.width) + "\n" + content;
}

} // namespace d2c
