#pragma once
/// Labelled 8-bit images of one size, as every data source delivers them. Torch-free.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace d2c {

/// Which part of a data set: `train` is scored and condensed, `test` is what samples are judged by.
enum class Split { train, test };

/// n images of one size, each [channels, height, width] with values 0..255: in memory, one behind
/// the other, or in mapped files.
struct ImageSet {
  int channels = 0;
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;        ///< empty if the images lie elsewhere
  std::vector<const std::uint8_t*> places; ///< [n], where they lie then
  std::shared_ptr<const void> mapping;     ///< keeps `places` valid
  std::vector<std::int32_t> labels;        ///< [n], 0 .. class_names.size()-1
  std::vector<std::string> ids;            ///< [n], unique, stable names such as "train/000042"
  std::vector<std::string> class_names;    ///< by label
  std::string origin;                      ///< folder or file the images came from
  std::string content;                     ///< hash of all images, if the source knows one
  std::optional<Split> split; ///< of the data source that this is, whole; none: other images

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }

  [[nodiscard]] int classes() const { return static_cast<int>(class_names.size()); }

  [[nodiscard]] std::int64_t image_bytes() const { return std::int64_t{channels} * height * width; }

  [[nodiscard]] const std::uint8_t* image(std::int64_t i) const {
    return places.empty() ? pixels.data() + i * image_bytes() : places[static_cast<std::size_t>(i)];
  }

  /// The labels of these images, in this order.
  [[nodiscard]] std::vector<std::int64_t> labels_of(std::span<const std::int64_t> indices) const {
    std::vector<std::int64_t> chosen;
    chosen.reserve(indices.size());
    for (const std::int64_t index : indices) {
      chosen.push_back(labels[static_cast<std::size_t>(index)]);
    }
    return chosen;
  }
};

/// Loads one split of the experiment's data source.
using ImageLoader = std::function<ImageSet(Split)>;

} // namespace d2c
