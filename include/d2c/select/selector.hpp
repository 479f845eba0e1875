#pragma once
/// The stage that picks the images to keep. Its body is select/run_selector.hpp.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/select/budget.hpp>
#include <d2c/select/policy.hpp>

namespace d2c {

struct SelectConfig; // select/select_config.hpp

/// Selector<Policy, [Budget]>: Policy picks as many images of every class as Budget says (default
/// PerClass<>, from the configuration). Needs scores only where the policy does.
template <class... Policies>
struct Selector {
  using verdict = slots_verdict_t<Selector, required_roles<roles::selection>,
                                  optional_roles<roles::budget>, Policies...>;
  using selection = policy_for_t<roles::selection, NoPolicy, Policies...>;
  using budget = policy_for_t<roles::budget, PerClass<>, Policies...>;
  using policies = filled_slots_t<selection, budget>;
  using config = SelectConfig;

  static constexpr std::string_view kind = "select";
  static constexpr bool uses_device = false;
  static constexpr bool uses_seed = [] {
    if constexpr (requires { selection::uses_seed; }) {
      return bool{selection::uses_seed};
    } else {
      return true;
    }
  }();
  static constexpr auto needs = set_of<Images>;
  static constexpr auto provides = set_of<Subset>;

  constexpr Selector() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Selector", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Selector, policies>;
};

} // namespace d2c
