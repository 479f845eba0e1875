#pragma once
/// Every code and sentence with which the compiler refuses a pipeline. A check first yields a
/// verdict (a type: `passed`, or one of the mistakes below with the types it is about); `raise`
/// turns a mistake into one `error:` line, the same on every compiler. Pages: docs/errors/.

#include <string_view>

namespace d2c::diagnostics {

/// No mistake found.
struct passed {};

constexpr bool raise(passed) {
  return true;
}

/// Labels of what a mistake is about; they only appear in the compiler's output.
template <class Stage>
struct stage {};

template <class... Stages>
struct stages {};

template <class... Artifacts>
struct artifacts {};

template <class Policy>
struct policy {};

template <class... Policies>
struct policies {};

template <class Role>
struct role {};

template <class Model>
struct model {};

template <class Objective>
struct objective {};

template <class Aligner>
struct aligner {};

template <class Encoder>
struct encoder {};

template <class Conditioner>
struct conditioner {};

template <class Method>
struct method {};

template <class Dataset>
struct dataset {};

template <class Codec>
struct codec {};

template <int N>
struct visual_tokens {};

template <int N>
struct denoiser_tokens {};

template <int N>
struct text_width {};

template <int N>
struct text_tokens {};

template <int N>
struct expected {};

template <int N>
struct width {};

template <int N>
struct heads {};

template <int N>
struct patch {};

template <int Height, int Width>
struct latent_size {};

template <int N>
struct interval {};

template <int N>
struct per_class {};

template <int N>
struct largest_class {};

/// False whatever it is about: the condition of every assertion here, so that the compiler prints
/// the labels.
template <class... About>
inline constexpr bool holds_for = false;

// One mistake: a type that carries its code and sentence, and the assertion that says them. The
// assertion needs a literal, hence a macro; it is undefined again below.
#define D2C_MISTAKE(TYPE, CODE, SENTENCE)                                                          \
  template <class... About>                                                                        \
  struct TYPE {                                                                                    \
    static constexpr std::string_view code = CODE;                                                 \
    static constexpr std::string_view sentence = SENTENCE;                                         \
  };                                                                                               \
  template <class... About>                                                                        \
  constexpr bool raise(TYPE<About...>) {                                                           \
    static_assert(holds_for<About...>, "[" CODE "] " SENTENCE);                                    \
    return true;                                                                                   \
  }

D2C_MISTAKE(contract_empty, "d2c.contract.empty",
            "a pipeline needs at least one stage. Fix: name one")
D2C_MISTAKE(stage_shape, "d2c.stage.shape",
            "this type is not a stage. Fix: give it static members kind, name(), needs and "
            "provides, the last two made with d2c::set_of")
D2C_MISTAKE(slot_unknown, "d2c.slot.unknown",
            "this type is not a policy that the stage accepts. Fix: check its role and name "
            "members, or give it to the stage it belongs to")
D2C_MISTAKE(slot_duplicate, "d2c.slot.duplicate",
            "two policies of the same role were given to one stage. Fix: keep one")
D2C_MISTAKE(slot_required, "d2c.slot.required",
            "a role without default has no policy. Fix: name a policy of the printed role")
D2C_MISTAKE(policy_shape, "d2c.policy.shape",
            "this policy lacks a member of its concept. Fix: compare it with the concept in the "
            "policy.hpp of its stage")
D2C_MISTAKE(contract_repeated, "d2c.contract.repeated",
            "this type lists an artifact twice in one set. Fix: remove the repetition")
D2C_MISTAKE(contract_missing, "d2c.contract.missing",
            "this stage needs artifacts that no stage of the pipeline provides. Fix: add a stage "
            "or policy that provides them before it")
D2C_MISTAKE(contract_order, "d2c.contract.order",
            "this stage needs artifacts that only a later stage provides. Fix: move the providing "
            "stage before it")
D2C_MISTAKE(contract_duplicate, "d2c.contract.duplicate",
            "this stage provides artifacts that an earlier stage already provides. Fix: drop one "
            "of the two stages")
D2C_MISTAKE(policy_number, "d2c.policy.number",
            "a number of this policy is out of range. Fix: give counts and sizes above zero, or "
            "leave the number out to read it from the configuration")
D2C_MISTAKE(codec_dataset, "d2c.codec.dataset",
            "the codec cannot encode images of this data set. Fix: choose a codec for its channels "
            "and size, for example Pixels")
D2C_MISTAKE(model_size, "d2c.model.size",
            "depth, width, heads and patch must be positive and the width an even multiple of the "
            "heads and of 4. Fix: change the transformer size")
D2C_MISTAKE(model_patch, "d2c.model.patch",
            "the patch side does not divide the height and width of the latents. Fix: choose "
            "another patch side or codec")
D2C_MISTAKE(model_mismatch, "d2c.model.mismatch",
            "two components disagree on a size. Fix: choose variants whose printed numbers agree")
D2C_MISTAKE(objective_parts, "d2c.objective.parts",
            "the parts of the objective do not fit. Fix: continuous paths in PathMatching, "
            "schedules in DdpmMatching, Unweighted or MinSnr for velocities")
D2C_MISTAKE(objective_family, "d2c.objective.family",
            "the objective does not belong to the family of the model. Fix: use NoisePrediction or "
            "DdpmMatching with DiT, FlowMatching or PathMatching with SiT")
D2C_MISTAKE(aligner_objective, "d2c.aligner.objective",
            "the aligner denoises a class token, of which the objective cannot learn a variance. "
            "Fix: use FlowMatching, or another aligner")
D2C_MISTAKE(sampler_objective, "d2c.sampler.objective",
            "the sampling method cannot follow the path of the objective. Fix: DDPM after DDPM "
            "objectives, Euler, Heun or EulerMaruyama after continuous paths")
D2C_MISTAKE(budget_interval, "d2c.budget.interval",
            "the budget times the interval goes past the end of the largest class. Fix: lower one "
            "of the two")

#undef D2C_MISTAKE

} // namespace d2c::diagnostics
