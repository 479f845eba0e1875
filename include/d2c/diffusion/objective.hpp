#pragma once
/// The concept of a training objective: what the denoiser predicts and how its error is measured.

#include <concepts>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// An objective O for tensors T and network outputs Out: its facts (role, name, family,
/// parametrisation, whether the network has a variance head) and four static functions: network
/// time of u in (0, 1), the noisy image, the per-sample training loss, and the per-sample noise
/// error that scores use.
template <class O, class T, class Out>
concept ObjectivePolicy = std::same_as<typename O::role, roles::objective> &&
    requires(const T& tensor, const Out& out) {
  { O::name } -> std::convertible_to<std::string_view>;
  { O::family } -> std::convertible_to<Family>;
  { O::parametrisation } -> std::convertible_to<Parametrisation>;
  { O::learns_variance } -> std::convertible_to<bool>;
  { O::time(tensor) } -> std::convertible_to<T>;
  { O::diffuse(tensor, tensor, tensor) } -> std::convertible_to<T>;
  { O::loss(out, tensor, tensor, tensor, tensor) } -> std::convertible_to<T>;
  { O::noise_error(out, tensor, tensor, tensor, tensor) } -> std::convertible_to<T>;
};

} // namespace d2c
