#pragma once
/// The first images of each class of a source. Torch-free.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/data/class_counter.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_source.hpp>

namespace d2c {

/// What [data] limit_per_class leaves of `source`, in its order; with 0 that is everything.
/// InputError if a class has no image, or if there are not `classes` classes. `origin` names the
/// source in messages.
class LimitedSource : public ImageSource {
public:
  LimitedSource(std::unique_ptr<const ImageSource> source, const DataConfig& config, int classes,
                const std::string& origin)
      : source_{std::move(source)} {
    const auto found = source_->class_names().size();
    if (static_cast<int>(found) != classes) {
      throw InputError(origin + ": expected " + std::to_string(classes) + " classes, found " +
                       std::to_string(found));
    }
    ClassCounter counter{config, found};
    for (std::int64_t i = 0; i < source_->size(); ++i) {
      if (counter.keep(source_->label(i))) {
        kept_.push_back(i);
      }
    }
    counter.require_all(origin, source_->class_names());
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(kept_.size());
  }

  [[nodiscard]] std::int32_t label(std::int64_t i) const override {
    return source_->label(kept_.at(static_cast<std::size_t>(i)));
  }

  [[nodiscard]] std::string id(std::int64_t i) const override {
    return source_->id(kept_.at(static_cast<std::size_t>(i)));
  }

  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return source_->class_names();
  }

  [[nodiscard]] DecodedImage decode(std::int64_t i) const override {
    return source_->decode(kept_.at(static_cast<std::size_t>(i)));
  }

private:
  std::unique_ptr<const ImageSource> source_;
  std::vector<std::int64_t> kept_;
};

} // namespace d2c
