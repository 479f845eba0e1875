#pragma once
/// The section [prepare]: how images of differing sizes become a prepared data set.

#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>
#include <d2c/config/key_places.hpp>
#include <d2c/core/problem.hpp>

namespace d2c {

/// None of these changes a prepared image, so they are in no key of the store.
struct PrepareConfig {
  static constexpr std::string_view section = "prepare";

  std::int64_t shard_images = 512; ///< images per file: what a killed process loses, twice at most
  double refused_share = 0.01;     ///< stop if more of the images than this cannot be used

  static void validate(const PrepareConfig& prepare, const KeyPlaces& places, Problems& problems) {
    if (prepare.shard_images < 1 || prepare.shard_images > 1'000'000) {
      problems.add(places.at("shard_images"),
                   "key \"shard_images\" in [prepare]: expected 1 to 1000000 images, found " +
                       std::to_string(prepare.shard_images));
    }
    if (!(prepare.refused_share >= 0 && prepare.refused_share <= 1)) {
      problems.add(places.at("refused_share"),
                   "key \"refused_share\" in [prepare]: expected a share from 0 to 1, found " +
                       std::to_string(prepare.refused_share));
    }
  }
};

} // namespace d2c

D2C_CONFIG(d2c::PrepareConfig, shard_images, refused_share)
