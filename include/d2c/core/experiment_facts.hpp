#pragma once

/// The sizes an experiment's stages agree on.

namespace d2c {

/// Sizes that stages agree on, from the types of the pipeline and its configuration. Zero: absent.
struct ExperimentFacts {
  int classes = 0;
  int latent_channels = 0;
  int latent_height = 0;
  int latent_width = 0;
  int text_tokens = 0;
  int text_width = 0;
  int visual_tokens = 0;
  int visual_width = 0;

  friend bool operator==(const ExperimentFacts&, const ExperimentFacts&) = default;
};

} // namespace d2c
