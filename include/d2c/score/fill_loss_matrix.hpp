#pragma once
/// The scoring pass: every image at every column, shard by shard, going on where it stopped.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/score/column_losses.hpp>
#include <d2c/score/loss_matrix.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Completes the loss matrix in `folder` for all `images` and `columns`; what is there already,
/// from an interrupted pass or with fewer columns, is kept. `network` as for ColumnLosses. Images
/// are encoded by `codec` batch by batch (`batch_images` at a time). Failure on a loss that is not
/// finite (the sentence names the image's id and the column) or a shard that cannot be written;
/// InputError on a damaged shard, or one that belongs to more images.
template <class Objective, class Network>
void fill_loss_matrix(const std::filesystem::path& folder, const Network& network,
                      const ImageSet& images, const Codec& codec,
                      const std::vector<ScoreColumn>& columns, at::Device device,
                      std::int64_t batch_images, Progress& progress) {
  /// Images per shard: a killed pass loses at most this many.
  constexpr std::int64_t shard_images = 4096;
  const std::int64_t total = images.size();
  std::vector<std::int64_t> first_missing;
  {
    const LossMatrix matrix = LossMatrix::open(folder);
    if (matrix.rows() > total) {
      throw InputError(folder.string() + ": expected losses of at most " + std::to_string(total) +
                       " images, found " + std::to_string(matrix.rows()));
    }
    for (const ScoreColumn& column : columns) {
      first_missing.push_back(matrix.first_missing({column}, total));
    }
  }
  const auto width = static_cast<std::int64_t>(columns.size());
  const auto done = std::accumulate(first_missing.begin(), first_missing.end(), std::int64_t{0});
  progress.start("scoring", width * total, "losses", done);
  const std::array<std::int64_t, 3> shape{codec.channels(images), codec.height(images),
                                          codec.width(images)};

  for (;;) {
    // The columns that are furthest behind, up to where the next one begins to lack losses.
    const std::int64_t begin = *std::min_element(first_missing.begin(), first_missing.end());
    if (begin >= total) {
      break;
    }
    std::int64_t end = std::min(total, begin + std::max(shard_images, batch_images));
    std::vector<ScoreColumn> behind;
    for (std::size_t j = 0; j < columns.size(); ++j) {
      if (first_missing[j] == begin) {
        behind.push_back(columns[j]);
      } else {
        end = std::min(end, first_missing[j]);
      }
    }
    const ColumnLosses<Objective, Network> losses_of(network, behind, shape, device);
    std::vector<float> shard;
    shard.reserve(static_cast<std::size_t>(end - begin) * behind.size());
    for (std::int64_t first = begin; first < end; first += batch_images) {
      std::vector<std::int64_t> samples(
          static_cast<std::size_t>(std::min(batch_images, end - first)));
      std::iota(samples.begin(), samples.end(), first);
      const Tensor losses =
          losses_of(codec.encode(images, samples), images.labels_of(samples), samples).contiguous();
      const std::span<const float> values(losses.const_data_ptr<float>(),
                                          static_cast<std::size_t>(losses.numel()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
          const auto sample = static_cast<std::size_t>(samples[i / behind.size()]);
          throw Failure("scoring: expected finite losses, found " + std::to_string(values[i]) +
                        " for image " + images.ids[sample] + " in column " +
                        behind[i % behind.size()].text());
        }
      }
      shard.insert(shard.end(), values.begin(), values.end());
      progress.advance(static_cast<std::int64_t>(values.size()));
    }
    LossMatrix::write_shard(folder, begin, behind, shard);
    for (std::int64_t& missing : first_missing) {
      missing = missing == begin ? end : missing;
    }
  }
  progress.finish();
}

} // namespace d2c
