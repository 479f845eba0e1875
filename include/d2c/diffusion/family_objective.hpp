#pragma once
/// What the published networks of a family are trained to predict, as a type.

#include <type_traits>

#include <d2c/core/slots.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/models/policy.hpp>

namespace d2c {

namespace detail {

template <class Model>
struct family_objective {
  using type = NoPolicy;
};

template <ModelPolicy Model>
struct family_objective<Model> {
  using type = std::conditional_t<Model::family == Family::dit, NoisePrediction, FlowMatching>;
};

} // namespace detail

/// NoisePrediction for a DiT, FlowMatching for a SiT; NoPolicy for what is no model.
template <class Model>
using family_objective_t = typename detail::family_objective<Model>::type;

} // namespace d2c
