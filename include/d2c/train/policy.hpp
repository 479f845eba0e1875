#pragma once
/// What a Trainer asks of its policies.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/time_distribution.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/train/dispersive_loss.hpp>

namespace d2c {

/// What the denoiser predicts, as a type: its facts. What it computes is checked against a tensor
/// type by ObjectivePolicy (diffusion/objective.hpp).
template <class T>
concept ObjectiveFacts = Policy<T> && requires {
  { T::family } -> std::convertible_to<Family>;
  { T::parametrisation } -> std::convertible_to<Parametrisation>;
  { T::learns_variance } -> std::convertible_to<bool>;
};

/// Representation alignment: `aligns` says whether the denoiser gets a projector at all. One that
/// `disperses` takes the hidden tokens themselves instead.
template <class T>
concept AlignerPolicy = Policy<T> && requires {
  { T::aligns } -> std::convertible_to<bool>;
} && !(T::aligns && disperses<T>());

/// What the denoiser is told of an image: its class, the text of its class, or both. Optional:
/// `text_tokens`, `text_width` where only one size of text fits.
template <class T>
concept ConditionerPolicy = Policy<T> && requires {
  { T::uses_class } -> std::convertible_to<bool>;
  { T::uses_text } -> std::convertible_to<bool>;
};

/// A policy that stands for another one, chosen by what earlier stages provide.
template <class T>
concept AutoPolicy = Policy<T> && requires {
  typename T::template resolved<type_list<>>;
};

template <class T>
inline constexpr bool satisfies_role<roles::objective, T> = ObjectiveFacts<T>;

template <class T>
inline constexpr bool satisfies_role<roles::aligner, T> = AlignerPolicy<T>;

template <class T>
inline constexpr bool satisfies_role<roles::conditioner, T> = ConditionerPolicy<T> || AutoPolicy<T>;

template <class T>
inline constexpr bool satisfies_role<roles::time_distribution, T> = TimeDistributionPolicy<T>;

} // namespace d2c
