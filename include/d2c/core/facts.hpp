#pragma once
/// Sizes and families that stages must agree on, read from their types: merged into
/// ExperimentFacts, and checked against each other where both sides are pinned.

#include <string_view>
#include <type_traits>

#include <d2c/attach/policy.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/contract.hpp>
#include <d2c/core/diagnostics.hpp>
#include <d2c/core/experiment_facts.hpp>
#include <d2c/core/stage.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/policy.hpp>
#include <d2c/diffusion/method_accepts.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/sample/policy.hpp>
#include <d2c/select/policy.hpp>
#include <d2c/train/policy.hpp>
#include <d2c/train/reg_align.hpp>

namespace d2c {

namespace detail {

template <class Role, class List>
struct first_of_role;

template <class Role, class... Policies>
struct first_of_role<Role, type_list<Policies...>> {
  using type = policy_for_t<Role, NoPolicy, Policies...>;
};

/// The policy of a role in a stage, or NoPolicy.
template <class Role, class Stage>
using stage_policy_t = typename first_of_role<Role, policies_of_t<Stage>>::type;

template <class Stages>
struct all_policies;

template <class... Stages>
struct all_policies<type_list<Stages...>> {
  using type = concat_t<policies_of_t<Stages>...>;
};

/// The first policy of a role in a list of stages, or NoPolicy.
template <class Role, class Stages>
using pipeline_policy_t = typename first_of_role<Role, typename all_policies<Stages>::type>::type;

template <class T>
inline constexpr bool is_given = !std::is_same_v<T, NoPolicy>;

} // namespace detail

/// Merges what the policies of these stages pin.
template <class... Stages>
constexpr ExperimentFacts facts_of_stages(type_list<Stages...>) {
  using list = type_list<Stages...>;
  using dataset = detail::pipeline_policy_t<roles::dataset, list>;
  using codec = detail::pipeline_policy_t<roles::codec, list>;
  using text = detail::pipeline_policy_t<roles::text_encoder, list>;
  using vision = detail::pipeline_policy_t<roles::vision_encoder, list>;
  ExperimentFacts facts;
  if constexpr (detail::is_given<dataset>) {
    facts.classes = dataset::classes;
    if constexpr (detail::is_given<codec>) {
      facts.latent_channels = codec::latent_channels(dataset::channels);
      facts.latent_height = codec::latent_extent(dataset::height);
      facts.latent_width = codec::latent_extent(dataset::width);
    }
  }
  if constexpr (detail::is_given<text>) {
    facts.text_tokens = text::tokens;
    facts.text_width = text::width;
  }
  if constexpr (detail::is_given<vision>) {
    facts.visual_tokens = vision::tokens;
    facts.visual_width = vision::width;
  }
  return facts;
}

namespace detail {

// One check per function; each yields diagnostics::passed or a mistake.

template <class Stages, class Facts>
consteval auto source_check() {
  using dataset = pipeline_policy_t<roles::dataset, Stages>;
  using codec = pipeline_policy_t<roles::codec, Stages>;
  if constexpr (is_given<dataset> && is_given<codec>) {
    // A data set may leave its size to the configuration.
    if constexpr (dataset::height != 0 &&
                  !codec::accepts(dataset::channels, dataset::height, dataset::width)) {
      return diagnostics::codec_dataset<diagnostics::codec<codec>, diagnostics::dataset<dataset>>{};
    } else {
      return diagnostics::passed{};
    }
  } else {
    return diagnostics::passed{};
  }
}

/// Counts and sizes of policies: not negative where zero means open, positive elsewhere.
template <class P>
consteval bool has_sound_numbers() {
  if constexpr (requires { P::interval; }) {
    return P::interval >= 0;
  } else if constexpr (requires { P::per_class; }) {
    return P::per_class >= 0;
  } else if constexpr (TextEncoderPolicy<P> || VisionEncoderPolicy<P>) {
    return P::tokens > 0 && P::width > 0;
  } else {
    return true;
  }
}

template <class S, class... Policies>
consteval auto numbers_check(type_list<Policies...>) {
  using wrong = concat_t<std::conditional_t<has_sound_numbers<Policies>(), type_list<>,
                                            type_list<diagnostics::policy<Policies>>>...>;
  if constexpr (wrong::size == 0) {
    return diagnostics::passed{};
  } else {
    return []<class First, class... Rest>(type_list<First, Rest...>) {
      return diagnostics::policy_number<diagnostics::stage<S>, First>{};
    }(wrong{});
  }
}

/// Whether the parts of an objective belong together, where it says so in `parts_fit`.
template <class Objective>
consteval bool has_fitting_parts() {
  if constexpr (requires { Objective::parts_fit; }) {
    return Objective::parts_fit;
  } else {
    return true;
  }
}

/// The model of one stage: its size, its patch on the latents, its objective.
template <class S, class Facts>
consteval auto model_check() {
  using model = stage_policy_t<roles::model, S>;
  using objective = stage_policy_t<roles::objective, S>;
  if constexpr (!is_given<model>) {
    return diagnostics::passed{};
  } else {
    constexpr TransformerSize size = model::size;
    constexpr ExperimentFacts facts = Facts::value;
    if constexpr (!size_is_sound(size)) {
      return diagnostics::model_size<diagnostics::stage<S>, diagnostics::width<size.width>,
                                     diagnostics::heads<size.heads>>{};
    } else if constexpr (facts.latent_height % size.patch != 0 ||
                         facts.latent_width % size.patch != 0) {
      return diagnostics::model_patch<
          diagnostics::stage<S>, diagnostics::patch<size.patch>,
          diagnostics::latent_size<facts.latent_height, facts.latent_width>>{};
    } else if constexpr (is_given<objective>) {
      if constexpr (!has_fitting_parts<objective>()) {
        return diagnostics::objective_parts<diagnostics::stage<S>,
                                            diagnostics::objective<objective>>{};
      } else if constexpr (objective::family != model::family) {
        return diagnostics::objective_family<diagnostics::stage<S>, diagnostics::model<model>,
                                             diagnostics::objective<objective>>{};
      } else {
        return diagnostics::passed{};
      }
    } else {
      return diagnostics::passed{};
    }
  }
}

/// Whether the objective can denoise what the aligner entangles with the image.
template <class S>
consteval auto aligner_check() {
  using aligner = stage_policy_t<roles::aligner, S>;
  using objective = stage_policy_t<roles::objective, S>;
  if constexpr (is_given<aligner> && is_given<objective>) {
    if constexpr (entangles<aligner>() && objective::learns_variance) {
      return diagnostics::aligner_objective<diagnostics::stage<S>, diagnostics::aligner<aligner>,
                                            diagnostics::objective<objective>>{};
    } else {
      return diagnostics::passed{};
    }
  } else {
    return diagnostics::passed{};
  }
}

template <class T>
consteval int pinned_text_width() {
  if constexpr (requires { T::text_width; }) {
    return T::text_width;
  } else {
    return 0;
  }
}

template <class T>
consteval int pinned_text_tokens() {
  if constexpr (requires { T::text_tokens; }) {
    return T::text_tokens;
  } else {
    return 0;
  }
}

template <class S>
consteval bool sound_model() {
  using model = stage_policy_t<roles::model, S>;
  if constexpr (is_given<model>) {
    return size_is_sound(model::size);
  } else {
    return false;
  }
}

template <class S>
inline constexpr bool has_sound_model = sound_model<S>();

/// Visual tokens against the denoiser's grid, text against what the conditioner takes.
template <class S, class Facts>
consteval auto conditions_check() {
  using model = stage_policy_t<roles::model, S>;
  using conditioner = stage_policy_t<roles::conditioner, S>;
  constexpr ExperimentFacts facts = Facts::value;
  if constexpr (!has_sound_model<S>) {
    return diagnostics::passed{}; // none, or reported by model_check
  } else {
    constexpr int tokens =
        (facts.latent_height / model::size.patch) * (facts.latent_width / model::size.patch);
    constexpr bool aligned = contains_v<needs_t<S>, VisualTokens>;
    constexpr int width = pinned_text_width<conditioner>();
    constexpr int length = pinned_text_tokens<conditioner>();
    if constexpr (aligned && tokens != 0 && facts.visual_tokens != 0 &&
                  tokens != facts.visual_tokens) {
      return diagnostics::model_mismatch<diagnostics::stage<S>,
                                         diagnostics::visual_tokens<facts.visual_tokens>,
                                         diagnostics::denoiser_tokens<tokens>>{};
    } else if constexpr (width != 0 && facts.text_width != 0 && width != facts.text_width) {
      return diagnostics::model_mismatch<
          diagnostics::stage<S>, diagnostics::conditioner<conditioner>,
          diagnostics::text_width<facts.text_width>, diagnostics::expected<width>>{};
    } else if constexpr (length != 0 && facts.text_tokens != 0 && length != facts.text_tokens) {
      return diagnostics::model_mismatch<
          diagnostics::stage<S>, diagnostics::conditioner<conditioner>,
          diagnostics::text_tokens<facts.text_tokens>, diagnostics::expected<length>>{};
    } else {
      return diagnostics::passed{};
    }
  }
}

/// Whether the budget and the interval fit into the largest class.
template <class S, class Dataset>
consteval auto budget_check() {
  using selection = stage_policy_t<roles::selection, S>;
  using budget = stage_policy_t<roles::budget, S>;
  if constexpr (is_given<Dataset> && is_given<selection> && is_given<budget>) {
    constexpr int k = [] {
      if constexpr (requires { selection::interval; }) {
        return selection::interval == 0 ? 1 : selection::interval;
      } else {
        return 1;
      }
    }();
    constexpr int m = budget::per_class;
    constexpr int n = largest_class<Dataset>;
    if constexpr (m != 0 && n != 0 && (static_cast<long long>(m) - 1) * k >= n) {
      return diagnostics::budget_interval<diagnostics::stage<S>, diagnostics::interval<k>,
                                          diagnostics::per_class<m>,
                                          diagnostics::largest_class<n>>{};
    } else {
      return diagnostics::passed{};
    }
  } else {
    return diagnostics::passed{};
  }
}

template <class Artifact, class... Stages>
struct provider_of {
  using type = NoPolicy;
};

template <class Artifact, class First, class... Rest>
struct provider_of<Artifact, First, Rest...>
    : std::conditional_t<contains_v<provides_t<First>, Artifact>, std::type_identity<First>,
                         provider_of<Artifact, Rest...>> {};

/// The solver against the objective of the trainer whose denoiser it uses.
template <class S, class... Stages>
consteval auto sampler_check() {
  using method = stage_policy_t<roles::sampling_method, S>;
  if constexpr (!is_given<method>) {
    return diagnostics::passed{};
  } else {
    using trainer = typename provider_of<Denoiser, Stages...>::type;
    using objective = stage_policy_t<roles::objective, trainer>;
    if constexpr (!is_given<objective>) {
      return diagnostics::passed{};
    } else if constexpr (!has_fitting_parts<objective>()) {
      return diagnostics::passed{}; // reported by model_check
    } else if constexpr (!method_accepts<method>(objective::parametrisation)) {
      return diagnostics::sampler_objective<diagnostics::stage<S>, diagnostics::method<method>,
                                            diagnostics::objective<objective>>{};
    } else {
      return diagnostics::passed{};
    }
  }
}

template <class... Verdicts>
struct first_mistake {
  using type = diagnostics::passed;
};

template <class First, class... Rest>
struct first_mistake<First, Rest...> {
  using type = First;
};

template <class... Rest>
struct first_mistake<diagnostics::passed, Rest...> : first_mistake<Rest...> {};

template <class Stages>
struct facts_verdict;

template <class... Stages>
struct facts_verdict<type_list<Stages...>> {
  using list = type_list<Stages...>;
  using dataset = pipeline_policy_t<roles::dataset, list>;

  struct facts {
    static constexpr ExperimentFacts value = facts_of_stages(list{});
  };

  using type = typename first_mistake<
      decltype(numbers_check<Stages>(policies_of_t<Stages>{}))...,
      decltype(source_check<list, facts>()), decltype(budget_check<Stages, dataset>())...,
      decltype(model_check<Stages, facts>())..., decltype(aligner_check<Stages>())...,
      decltype(conditions_check<Stages, facts>())...,
      decltype(sampler_check<Stages, Stages...>())...>::type;
};

} // namespace detail

/// What is wrong between resolved stages: diagnostics::passed or the first mistake, in the order
/// numbers, source, budgets, models, aligners, conditions, samplers.
template <class Stages>
using facts_verdict_t = typename detail::facts_verdict<Stages>::type;

} // namespace d2c
