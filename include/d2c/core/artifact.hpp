#pragma once
/// What stages hand to each other, as tags, and the Hana sets in which contracts are declared.

#include <string_view>

#include <boost/hana/set.hpp>
#include <boost/hana/type.hpp>

namespace d2c {

/// Labelled images of the data source.
struct Images {
  static constexpr std::string_view name = "Images";
};

/// Difficulty score of every training image, with the loss matrix it was computed from.
struct Scores {
  static constexpr std::string_view name = "Scores";
};

/// Identities of the kept images.
struct Subset {
  static constexpr std::string_view name = "Subset";
};

/// Text encoder output, one prompt per class.
struct TextTokens {
  static constexpr std::string_view name = "TextTokens";
};

/// Patch tokens of a vision encoder, one grid per kept image.
struct VisualTokens {
  static constexpr std::string_view name = "VisualTokens";
};

/// Class token of a vision encoder, one per kept image, as wide as its patch tokens.
struct ClassTokens {
  static constexpr std::string_view name = "ClassTokens";
};

/// Kept images and everything attached to them in one safetensors file.
struct CondensedPack {
  static constexpr std::string_view name = "CondensedPack";
};

/// Weights of a trained diffusion transformer.
struct Denoiser {
  static constexpr std::string_view name = "Denoiser";
};

/// Generated images.
struct Samples {
  static constexpr std::string_view name = "Samples";
};

/// Quality numbers of generated images.
struct Metrics {
  static constexpr std::string_view name = "Metrics";
};

/// A set of artifacts: `static constexpr auto needs = set_of<Images, Subset>;`. Order is without
/// meaning; Hana keeps repetitions, which Pipeline reports as d2c.contract.repeated.
template <class... Artifacts>
inline constexpr auto set_of = boost::hana::make_set(boost::hana::type_c<Artifacts>...);

} // namespace d2c
