#pragma once
/// The conditioner that follows from what the pipeline attaches.

#include <string_view>
#include <type_traits>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/dc_embedding.hpp>

namespace d2c {

/// DCEmbedding if an earlier stage provides TextTokens, else ClassCondition. A pipeline's
/// `resolved_stages` hold the choice, never this type. Trainer policy of role conditioner.
struct AutoCondition {
  using role = roles::conditioner;
  static constexpr std::string_view name = "AutoCondition";

  template <class Earlier>
  using resolved = std::conditional_t<contains_v<Earlier, TextTokens>, DCEmbedding, ClassCondition>;
};

} // namespace d2c
