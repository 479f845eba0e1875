#pragma once
/// The metrics that a user may ask for by name, and which of them a convention has. Torch-free.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/evaluate/evaluator_convention.hpp>
#include <d2c/evaluate/feature_parts.hpp>

namespace d2c {

enum class JudgedBy { inception, dinov2 };

/// One metric by name: its network and what it looks at in both sets.
struct NamedMetric {
  std::string_view name;
  JudgedBy network = JudgedBy::inception;
  FeatureParts parts;
  bool of_samples_alone = false; ///< needs no reference
  bool in_torch_fidelity = false;
  bool in_pytorch_fid = false;

  [[nodiscard]] constexpr bool defined_in(EvaluatorConvention convention) const {
    return convention == EvaluatorConvention::adm ||
           (convention == EvaluatorConvention::torch_fidelity ? in_torch_fidelity : in_pytorch_fid);
  }
};

/// All of them, in the order of tables. Those that no evaluator but their authors' computes count
/// as defined everywhere; under ADM's convention nothing is refused. Precision and recall here are
/// on Inception-v3: torch-fidelity's with prc=True and feature_extractor='inception-v3-compat'.
/// Without that argument it takes them on VGG-16, which is another number.
inline constexpr std::array<NamedMetric, 10> named_metrics = {{
    {"fid", JudgedBy::inception, {.moments = true}, false, true, true},
    {"sfid", JudgedBy::inception, {.spatial = true}, false, false, false},
    {"is", JudgedBy::inception, {.logits = true}, true, true, false},
    {"precision", JudgedBy::inception, {.neighbours = true}, false, true, false},
    {"recall", JudgedBy::inception, {.neighbours = true}, false, true, false},
    {"kid", JudgedBy::inception, {.neighbours = true}, false, true, false},
    {"density", JudgedBy::inception, {.neighbours = true}, false, true, false},
    {"coverage", JudgedBy::inception, {.neighbours = true}, false, true, false},
    {"fd-dinov2", JudgedBy::dinov2, {.moments = true}, false, true, true},
    {"copies", JudgedBy::dinov2, {.neighbours = true}, false, true, true},
}};

/// The metrics of these names in the order above, each once; without names those that the
/// convention's evaluator prints by default and that are here. Throws InputError for a name that is
/// none, or one that the convention does not define.
inline std::vector<NamedMetric> chosen_metrics(std::vector<std::string> names,
                                               EvaluatorConvention convention) {
  if (names.empty()) {
    switch (convention) {
    case EvaluatorConvention::adm:
      names = {"fid", "sfid", "is", "precision", "recall"};
      break;
    case EvaluatorConvention::torch_fidelity:
      names = {"fid", "is", "kid"};
      break;
    case EvaluatorConvention::pytorch_fid:
      names = {"fid"};
      break;
    }
  }
  const auto list_of = [&](const auto& include) {
    std::string list;
    for (const NamedMetric& metric : named_metrics) {
      if (include(metric)) {
        list += (list.empty() ? "" : ", ") + std::string{metric.name};
      }
    }
    return list;
  };
  for (const std::string& name : names) {
    const auto found = std::find_if(named_metrics.begin(), named_metrics.end(),
                                    [&](const NamedMetric& each) { return each.name == name; });
    if (found == named_metrics.end() || !found->defined_in(convention)) {
      const std::string expected =
          list_of([&](const NamedMetric& each) { return each.defined_in(convention); });
      throw InputError("--metrics: expected some of " + expected +
                       (convention == EvaluatorConvention::adm
                            ? ""
                            : " under the convention of " + name_of(convention)) +
                       ", found \"" + name + "\"");
    }
  }
  std::vector<NamedMetric> chosen;
  for (const NamedMetric& metric : named_metrics) {
    if (std::find(names.begin(), names.end(), metric.name) != names.end()) {
      chosen.push_back(metric);
    }
  }
  return chosen;
}

} // namespace d2c
