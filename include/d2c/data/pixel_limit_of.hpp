#pragma once
/// The size limit of image files that [data] sets.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/data/data_config.hpp>

namespace d2c {

/// [data] pixel_limit; InputError if it is below 1.
inline std::uint64_t pixel_limit_of(const DataConfig& config) {
  if (config.pixel_limit < 1) {
    throw InputError("[data] pixel_limit: expected a number of pixels from 1, found " +
                     std::to_string(config.pixel_limit));
  }
  return static_cast<std::uint64_t>(config.pixel_limit);
}

} // namespace d2c
