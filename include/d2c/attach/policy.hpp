#pragma once
/// What an Attacher asks of its encoders.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A text encoder as a type: how many tokens a prompt becomes and how wide each is.
template <class T>
concept TextEncoderPolicy =
    Policy<T> && std::same_as<typename T::role, roles::text_encoder> && requires {
  { T::tokens } -> std::convertible_to<int>;
  { T::width } -> std::convertible_to<int>;
  T::provides;
};

/// A vision encoder as a type: how many patch tokens an image becomes and how wide each is.
template <class T>
concept VisionEncoderPolicy =
    Policy<T> && std::same_as<typename T::role, roles::vision_encoder> && requires {
  { T::tokens } -> std::convertible_to<int>;
  { T::width } -> std::convertible_to<int>;
  T::provides;
};

template <class T>
inline constexpr bool satisfies_role<roles::text_encoder, T> = TextEncoderPolicy<T>;

template <class T>
inline constexpr bool satisfies_role<roles::vision_encoder, T> = VisionEncoderPolicy<T>;

} // namespace d2c
