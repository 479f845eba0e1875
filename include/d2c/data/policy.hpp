#pragma once
/// What a Source asks of its policies.

#include <concepts>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A data set as a type: its facts. `config_name` is its value of [data] dataset. Optional:
/// `train_images_per_class`, or `largest_class` where classes differ in size.
/// Classes, height and width are all zero where [data] classes and image_size name them.
template <class T>
concept DatasetPolicy = Policy<T> && requires {
  { T::config_name } -> std::convertible_to<std::string_view>;
  { T::classes } -> std::convertible_to<int>;
  { T::channels } -> std::convertible_to<int>;
  { T::height } -> std::convertible_to<int>;
  { T::width } -> std::convertible_to<int>;
};

/// A map between images and the space a denoiser works in, as a type: its facts. `accepts` says
/// whether it can encode images [channels, height, width]; the two functions give the latent's
/// size.
template <class T>
concept CodecPolicy = Policy<T> && requires {
  { T::config_name } -> std::convertible_to<std::string_view>;
  { T::accepts(1, 1, 1) } -> std::same_as<bool>;
  { T::latent_channels(1) } -> std::same_as<int>;
  { T::latent_extent(1) } -> std::same_as<int>;
};

template <class T>
inline constexpr bool satisfies_role<roles::dataset, T> = DatasetPolicy<T>;

template <class T>
inline constexpr bool satisfies_role<roles::codec, T> = CodecPolicy<T>;

namespace detail {

template <class Dataset>
consteval int largest_class_of() {
  if constexpr (requires { Dataset::largest_class; }) {
    return Dataset::largest_class;
  } else if constexpr (requires { Dataset::train_images_per_class; }) {
    return Dataset::train_images_per_class;
  } else {
    return 0;
  }
}

} // namespace detail

/// Training images of the largest class; 0 where the type does not say.
template <class Dataset>
inline constexpr int largest_class = detail::largest_class_of<Dataset>();

} // namespace d2c
