#pragma once
/// The stage that trains a denoiser on the condensed set. Its body is train/run_trainer.hpp.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/core/stage.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/train/adamw.hpp>
#include <d2c/train/auto_condition.hpp>
#include <d2c/train/policy.hpp>

namespace d2c {

struct TrainConfig; // train/train_config.hpp

/// Trainer<Model, Objective, Aligner, [Conditioner], [Optimizer], [TimeDistribution]> in any order.
/// Defaults: AutoCondition, AdamW, UniformTime. `resolved` decides AutoCondition.
template <class... Policies>
struct Trainer {
  using verdict = slots_verdict_t<
      Trainer, required_roles<roles::model, roles::objective, roles::aligner>,
      optional_roles<roles::conditioner, roles::optimizer, roles::time_distribution>, Policies...>;
  using model = policy_for_t<roles::model, NoPolicy, Policies...>;
  using objective = policy_for_t<roles::objective, NoPolicy, Policies...>;
  using aligner = policy_for_t<roles::aligner, NoPolicy, Policies...>;
  using conditioner = policy_for_t<roles::conditioner, AutoCondition, Policies...>;
  using optimizer = policy_for_t<roles::optimizer, AdamW, Policies...>;
  using time_distribution = policy_for_t<roles::time_distribution, UniformTime, Policies...>;
  using policies =
      filled_slots_t<model, objective, aligner, conditioner, optimizer, time_distribution>;
  using config = TrainConfig;

  static constexpr std::string_view kind = "train";
  static constexpr auto needs = set_of<Images, Subset>;
  static constexpr auto provides = set_of<Denoiser>;

  constexpr Trainer() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Trainer", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<
      Trainer, filled_slots_t<model, objective, aligner, resolved_policy_t<conditioner, Earlier>,
                              optimizer, time_distribution>>;
};

} // namespace d2c
