#pragma once
/// The stage that gives every training image a difficulty. Its body is score/run_scorer.hpp.

#include <array>
#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/diffusion/family_objective.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/score/grid_antithetic.hpp>
#include <d2c/score/policy.hpp>
#include <d2c/train/policy.hpp>

namespace d2c {

struct ScoreConfig; // score/score_config.hpp

/// Scorer<Model, [Objective], [Estimator]>: mean denoising loss of every image under Model (Eq. 7).
/// The objective defaults to that of the model's family, the estimator to GridAntithetic.
template <class... Policies>
struct Scorer {
  using verdict = slots_verdict_t<Scorer, required_roles<roles::model>,
                                  optional_roles<roles::objective, roles::estimator>, Policies...>;
  using model = policy_for_t<roles::model, NoPolicy, Policies...>;
  using objective = policy_for_t<roles::objective, family_objective_t<model>, Policies...>;
  using estimator = policy_for_t<roles::estimator, GridAntithetic, Policies...>;
  using policies = filled_slots_t<model, objective, estimator>;
  using config = ScoreConfig;

  static constexpr std::string_view kind = "score";
  /// Columns can be added to a finished loss matrix, and how many images a step takes changes none.
  static constexpr std::array<std::string_view, 3> growing_keys = {
      "score.columns", "score.timesteps", "score.batch_images"};
  static constexpr auto needs = set_of<Images>;
  static constexpr auto provides = set_of<Scores>;

  constexpr Scorer() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Scorer", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Scorer, policies>;
};

} // namespace d2c
