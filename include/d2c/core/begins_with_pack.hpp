#pragma once
/// Whether a pipeline has a condensed pack in place of a selection. Torch-free.

#include <filesystem>

#include <d2c/core/artifact.hpp>
#include <d2c/core/stage_context.hpp>

namespace d2c {

/// Whether the subset of the stage's pipeline is a condensed pack that it began with: then no list
/// of chosen images lies in its folder. Throws Failure if no earlier stage left a subset.
inline bool begins_with_pack(const StageContext& context) {
  const ArtifactPaths& artifacts = context.artifacts;
  const std::filesystem::path& chosen = artifacts.at<Subset>();
  return artifacts.has<CondensedPack>() && artifacts.at<CondensedPack>() == chosen;
}

} // namespace d2c
