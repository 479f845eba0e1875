#pragma once
/// The vision encoders whose tags name a network, its shape and a grid of patches, from the
/// configured file.

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/grid_encoder.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A tag with such facts: DINOv2Facts and its like.
template <class Tag>
concept GridFacts = requires {
  typename Tag::network;
  Tag::shape;
  { Tag::grid } -> std::convertible_to<std::int64_t>;
};

/// The encoder of a network's shape on a grid. Throws InputError if the file is missing (no Python
/// package carries these weights) or holds another network.
template <class Network>
std::unique_ptr<VisionEncoder> make_grid_encoder(const typename Network::Shape& shape,
                                                 std::int64_t grid, PositionRule rule,
                                                 const AttachConfig& config, at::Device device) {
  require_configured_file("attach.vision_weights", config.vision_weights,
                          Network::expected_file(shape));
  return std::make_unique<GridEncoder<Network>>(WeightsFile{config.vision_weights}, shape, grid,
                                                rule, device);
}

/// Adds a problem if the file is missing, a shard of it is, or it holds another network; reads
/// names and shapes alone.
template <class Network>
void check_grid_encoder(const typename Network::Shape& shape, const AttachConfig& config,
                        Problems& problems) {
  const std::string place = "[attach] vision_weights";
  if (check_configured_file(problems, place, config.vision_weights,
                            Network::expected_file(shape))) {
    problems.check(place,
                   [&] { Network::require_fits(WeightsFile{config.vision_weights}, shape); });
  }
}

/// The encoder that a tag names. Errors as above.
template <GridFacts Tag>
std::unique_ptr<VisionEncoder> make_encoder(const Tag&, const AttachConfig& config,
                                            at::Device device) {
  constexpr PositionRule rule = [] {
    if constexpr (requires { Tag::position_rule; }) {
      return Tag::position_rule;
    } else {
      return PositionRule::antialiased; // nobody asks for it
    }
  }();
  return make_grid_encoder<typename Tag::network>(Tag::shape, Tag::grid, rule, config, device);
}

/// The problems of a tag's file.
template <GridFacts Tag>
void check_encoder(const Tag&, const AttachConfig& config, Problems& problems) {
  check_grid_encoder<typename Tag::network>(Tag::shape, config, problems);
}

} // namespace d2c
