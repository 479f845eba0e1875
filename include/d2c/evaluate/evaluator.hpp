#pragma once
/// The stage that judges samples. Its body is evaluate/run_evaluator.hpp.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

struct EvaluateConfig; // evaluate/evaluate_config.hpp

/// Evaluator<Metrics...>: measures against held-out real images and against the kept ones. Metrics
/// are the one role that may be given several times, each metric once.
template <class... Policies>
struct Evaluator {
  using verdict = slots_verdict_t<Evaluator, required_roles<repeatable<roles::metric>>,
                                  optional_roles<>, Policies...>;
  using metrics = type_list<Policies...>;
  using policies = metrics;
  using config = EvaluateConfig;

  static constexpr std::string_view kind = "evaluate";
  static constexpr bool uses_seed = false;
  static constexpr auto needs = set_of<Images, Subset, Samples>;
  static constexpr auto provides = set_of<Metrics>;

  constexpr Evaluator() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Evaluator", policies{}); }
};

} // namespace d2c
