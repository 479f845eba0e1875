#pragma once
/// Which parts of the features of which images a metric looks at, so that no others are computed.

#include <string>

namespace d2c {

/// The parts of ImageFeatures. Moments take the same memory for any number of images; neighbours
/// and logits take some for every image.
struct FeatureParts {
  bool moments = false;
  bool neighbours = false;
  bool spatial = false;
  bool logits = false;

  friend constexpr FeatureParts operator|(const FeatureParts& left, const FeatureParts& right) {
    return {left.moments || right.moments, left.neighbours || right.neighbours,
            left.spatial || right.spatial, left.logits || right.logits};
  }

  friend constexpr bool operator==(const FeatureParts&, const FeatureParts&) = default;
};

inline constexpr FeatureParts all_feature_parts{true, true, true, true};

/// What a metric looks at: its member `parts`, or everything if it has none.
template <class Metric>
constexpr FeatureParts feature_parts_of() {
  if constexpr (requires { FeatureParts{Metric::parts}; }) {
    return Metric::parts;
  } else {
    return all_feature_parts;
  }
}

/// The sets of images whose features a metric looks at.
struct ReadSets {
  bool held_out = true;
  bool samples = true;
  bool training = true;
};

/// Which sets a metric looks at: its member `reads`, or all of them if it has none.
template <class Metric>
constexpr ReadSets read_sets_of() {
  if constexpr (requires { ReadSets{Metric::reads}; }) {
    return Metric::reads;
  } else {
    return {};
  }
}

/// "moments spatial": for names of caches.
inline std::string text_of(const FeatureParts& parts) {
  std::string text;
  const auto add = [&](bool has, const char* name) {
    text += has ? (text.empty() ? "" : " ") + std::string(name) : "";
  };
  add(parts.moments, "moments");
  add(parts.neighbours, "neighbours");
  add(parts.spatial, "spatial");
  add(parts.logits, "logits");
  return text;
}

} // namespace d2c
