#pragma once
/// What Scorer and Trainer ask of a model.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// A denoising transformer as a type: its family and its size.
template <class T>
concept ModelPolicy = Policy<T> && requires {
  { T::family } -> std::convertible_to<Family>;
  { T::size } -> std::convertible_to<TransformerSize>;
};

template <class T>
inline constexpr bool satisfies_role<roles::model, T> = ModelPolicy<T>;

/// Whether a network of this size exists: positive sides, whole heads of even width, and a width
/// that the two-dimensional sine-cosine position embedding can fill (a multiple of four).
constexpr bool size_is_sound(const TransformerSize& size) {
  return size.depth > 0 && size.width > 0 && size.heads > 0 && size.patch > 0 &&
         size.mlp_ratio > 0 && size.width % size.heads == 0 && size.width % 4 == 0 &&
         size.head_width() % 2 == 0;
}

} // namespace d2c
