#pragma once
/// Many images to model space at once, with a word on how far it is.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <d2c/core/progress.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What codec.encode(images, indices) returns, and throws. Progress is shown unless the codec is
/// PixelsCodec, which is done in a moment.
inline Tensor encode_images(const Codec& codec, const ImageSet& images,
                            std::span<const std::int64_t> indices, Progress& progress) {
  if (dynamic_cast<const PixelsCodec*>(&codec) != nullptr) {
    return codec.encode(images, indices);
  }
  const auto n = static_cast<std::int64_t>(indices.size());
  Tensor all =
      at::empty({n, codec.channels(images), codec.height(images), codec.width(images)}, at::kFloat);
  constexpr std::int64_t at_once = 64;
  progress.start("encoding", n, "images");
  for (std::int64_t first = 0; first < n; first += at_once) {
    const std::int64_t count = std::min(at_once, n - first);
    all.narrow(0, first, count)
        .copy_(codec.encode(images, indices.subspan(static_cast<std::size_t>(first),
                                                    static_cast<std::size_t>(count))));
    progress.advance(count);
  }
  progress.finish();
  return all;
}

} // namespace d2c
