#pragma once
/// Which images of a split are kept, class by class. Torch-free.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/data/data_config.hpp>

namespace d2c {

/// Applies [data] limit_per_class while a loader goes through a split, and sees that no class is
/// empty. InputError on a negative limit.
class ClassCounter {
public:
  ClassCounter(const DataConfig& config, std::size_t classes)
      : limit_{config.limit_per_class}, counts_(classes, 0) {
    if (limit_ < 0) {
      throw InputError("[data] limit_per_class: expected 0 (all) or a number of images, found " +
                       std::to_string(limit_));
    }
  }

  /// Whether the next image of this class is kept; it is counted then.
  bool keep(std::int32_t label) {
    auto& count = counts_.at(static_cast<std::size_t>(label));
    if (limit_ > 0 && count == limit_) {
      return false;
    }
    ++count;
    return true;
  }

  /// InputError if a class has no image. `where` names the split's files.
  void require_all(const std::string& where, const std::vector<std::string>& class_names) const {
    for (std::size_t label = 0; label < counts_.size(); ++label) {
      if (counts_[label] == 0) {
        throw InputError(where + ": expected images of every class, found none of \"" +
                         class_names.at(label) + "\" (class " + std::to_string(label) + ")");
      }
    }
  }

private:
  std::int64_t limit_;
  std::vector<std::int64_t> counts_;
};

} // namespace d2c
