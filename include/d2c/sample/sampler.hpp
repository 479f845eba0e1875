#pragma once
/// The stage that draws images from the trained denoiser. Its body is sample/run_sampler.hpp.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/sample/policy.hpp>

namespace d2c {

struct SampleConfig; // sample/sample_config.hpp

/// Sampler<Method>: as many images of every class as [sample] says.
template <class... Policies>
struct Sampler {
  using verdict = slots_verdict_t<Sampler, required_roles<roles::sampling_method>, optional_roles<>,
                                  Policies...>;
  using method = policy_for_t<roles::sampling_method, NoPolicy, Policies...>;
  using policies = filled_slots_t<method>;
  using config = SampleConfig;

  static constexpr std::string_view kind = "sample";
  static constexpr auto needs = set_of<Denoiser>;
  static constexpr auto provides = set_of<Samples>;

  constexpr Sampler() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Sampler", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Sampler, policies>;
};

} // namespace d2c
