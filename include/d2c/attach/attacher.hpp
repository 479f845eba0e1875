#pragma once
/// The stage that stores kept images with text and visual tokens. Its body is
/// attach/run_attacher.hpp.

#include <string>
#include <string_view>

#include <d2c/attach/policy.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

struct AttachConfig; // attach/attach_config.hpp

/// Attacher<[TextEncoder], [VisionEncoder]>: writes the condensed pack; each encoder adds its
/// tokens. Both may be absent, then the pack holds images and labels.
template <class... Policies>
struct Attacher {
  using verdict =
      slots_verdict_t<Attacher, required_roles<>,
                      optional_roles<roles::text_encoder, roles::vision_encoder>, Policies...>;
  using text_encoder = policy_for_t<roles::text_encoder, NoPolicy, Policies...>;
  using vision_encoder = policy_for_t<roles::vision_encoder, NoPolicy, Policies...>;
  using policies = filled_slots_t<text_encoder, vision_encoder>;
  using config = AttachConfig;

  static constexpr std::string_view kind = "attach";
  static constexpr bool uses_seed = false;
  static constexpr auto needs = set_of<Images, Subset>;
  static constexpr auto provides = set_of<CondensedPack>;

  constexpr Attacher() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Attacher", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Attacher, policies>;
};

} // namespace d2c
