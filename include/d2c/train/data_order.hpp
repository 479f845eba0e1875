#pragma once
/// In which order training visits the images: a fresh permutation per epoch, batches that run on
/// across the border of epochs. Torch-free.

#include <cstdint>
#include <vector>

#include <d2c/core/rng.hpp>

namespace d2c {

/// One visit to one image. No two visits of a run are equal, so (epoch, image) keys the random
/// numbers of a visit: time, noise and dropped conditions are the same however visits are batched.
struct Visit {
  std::int64_t image = 0;
  std::uint32_t epoch = 0;

  friend bool operator==(const Visit&, const Visit&) = default;
};

/// The endless sequence of visits to `images` images. Depends on (seed, images) alone; the visits
/// of any step can be asked for in any order, so nothing of it belongs in a checkpoint.
class DataOrder {
public:
  DataOrder(std::uint64_t seed, std::int64_t images) : seed_{seed}, images_{images} {}

  /// Visits step * batch .. step * batch + batch - 1 of the sequence.
  [[nodiscard]] std::vector<Visit> batch(std::int64_t step, std::int64_t batch) {
    std::vector<Visit> visits(static_cast<std::size_t>(batch));
    std::int64_t position = step * batch;
    for (Visit& visit : visits) {
      const std::int64_t epoch = position / images_;
      if (order_.empty() || epoch != epoch_) {
        epoch_ = epoch;
        order_ =
            permutation({seed_, Stream::data_order, static_cast<std::uint32_t>(epoch), 0}, images_);
      }
      visit = {order_[static_cast<std::size_t>(position % images_)],
               static_cast<std::uint32_t>(epoch)};
      ++position;
    }
    return visits;
  }

private:
  std::uint64_t seed_;
  std::int64_t images_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
};

} // namespace d2c
