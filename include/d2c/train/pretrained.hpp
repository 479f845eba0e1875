#pragma once
/// The stage that takes a trained denoiser from a file. Its body is train/run_pretrained.hpp.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/diffusion/family_objective.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/train/policy.hpp>

namespace d2c {

struct PretrainedConfig; // train/pretrained_config.hpp

/// Pretrained<Model, [Objective]>: the published weights that [pretrained] names, in place of a
/// Trainer, for pipelines that sample from them. The objective, what the weights were trained to
/// predict, defaults to that of the model's family.
template <class... Policies>
struct Pretrained {
  using verdict = slots_verdict_t<Pretrained, required_roles<roles::model>,
                                  optional_roles<roles::objective>, Policies...>;
  using model = policy_for_t<roles::model, NoPolicy, Policies...>;
  using objective = policy_for_t<roles::objective, family_objective_t<model>, Policies...>;
  using policies = filled_slots_t<model, objective>;
  using config = PretrainedConfig;

  static constexpr std::string_view kind = "train";
  static constexpr bool uses_seed = false;
  static constexpr bool uses_device = false;
  static constexpr auto needs = set_of<>;
  static constexpr auto provides = set_of<Denoiser>;

  constexpr Pretrained() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Pretrained", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Pretrained, policies>;
};

} // namespace d2c
