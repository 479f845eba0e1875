#pragma once
/// Horizontal mirror images in training, the image and its patch tokens together.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/data_order.hpp>

namespace d2c {

/// Which places of a batch of visits see the mirror image, a share `flip` of them by one draw per
/// visit that does not depend on the batch.
inline std::vector<std::int64_t> mirrored_visits(std::uint64_t seed, std::span<const Visit> visits,
                                                 double flip) {
  std::vector<std::int64_t> mirrored;
  for (std::size_t i = 0; i < visits.size() && flip > 0; ++i) {
    const Draw draw{seed, Stream::mirror, visits[i].epoch,
                    static_cast<std::uint32_t>(visits[i].image)};
    if (uniform(draw) < flip) {
      mirrored.push_back(static_cast<std::int64_t>(i));
    }
  }
  return mirrored;
}

/// Images [B, C, H, W] of which those at `places` have their columns in reverse order.
inline Tensor mirror_images(const Tensor& images, const std::vector<std::int64_t>& places) {
  if (places.empty()) {
    return images;
  }
  const Tensor rows = at::tensor(places, at::kLong).to(images.device());
  return images.index_copy(0, rows, images.index_select(0, rows).flip({3}));
}

/// Patch tokens [B, N, V] of grids of `columns` columns, row by row, of which those at `places`
/// have the columns of their grid in reverse order. Tokens are extracted from the images as they
/// are; those of the mirror image nearly equal the mirrored ones, and pairing it with tokens of the
/// image itself, as the paper's code does half of the time, does not. InputError if the tokens are
/// no such grid.
inline Tensor mirror_tokens(const Tensor& tokens, const std::vector<std::int64_t>& places,
                            std::int64_t columns) {
  if (places.empty()) {
    return tokens;
  }
  if (columns < 1 || tokens.size(1) % columns != 0) {
    throw InputError("visual tokens: expected a grid of " + std::to_string(columns) +
                     " columns to mirror, found " + std::to_string(tokens.size(1)) +
                     " tokens per image");
  }
  const Tensor rows = at::tensor(places, at::kLong).to(tokens.device());
  const Tensor grids =
      tokens.index_select(0, rows).unflatten(1, {tokens.size(1) / columns, columns});
  return tokens.index_copy(0, rows, grids.flip({2}).flatten(1, 2));
}

} // namespace d2c
