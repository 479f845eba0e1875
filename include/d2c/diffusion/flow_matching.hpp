#pragma once
/// Flow matching on the linear path: the objective of SiT and REPA. Torch-free templates.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// The linear path x_t = (1 - t) x_0 + t eps with t = 0 data and t = 1 noise; the network predicts
/// the velocity v = eps - x_0 (Ma et al. 2024; the sign and direction of time are REPA's).
/// `T` is a tensor type; images are [B, C, H, W], times and losses [B].
struct FlowMatching {
  using role = roles::objective;
  static constexpr std::string_view name = "FlowMatching";
  static constexpr Family family = Family::sit;
  static constexpr Parametrisation parametrisation{PathKind::linear, TargetKind::velocity};
  static constexpr bool learns_variance = false;

  /// Network time of u in (0, 1): u itself, not scaled.
  template <class T>
  [[nodiscard]] static T time(const T& u) {
    return u;
  }

  /// The noisy image x_t, [B, C, H, W]; t is a network time [B] (or [1]: the same for all).
  template <class T>
  [[nodiscard]] static T diffuse(const T& x0, const T& noise, const T& t) {
    const T t4 = t.reshape({-1, 1, 1, 1});
    return x0 + t4 * (noise - x0);
  }

  /// Per-sample mean of (v - prediction)^2 over C, H, W: [B]. `out` has a member `prediction`.
  template <class Out, class T>
  [[nodiscard]] static T loss(const Out& out, const T& x0, const T& noise, const T& /*x_t*/,
                              const T& /*t*/) {
    return (out.prediction - (noise - x0)).square().flatten(1).mean(1);
  }

  /// Per-sample mean of (eps - eps_hat)^2 over C, H, W: [B], the loss inside Eq. 7 and line 8 of
  /// Algorithm 2 with the noise that the velocity implies, eps_hat = x_t + (1 - t) v.
  template <class Out, class T>
  [[nodiscard]] static T noise_error(const Out& out, const T& /*x0*/, const T& noise, const T& x_t,
                                     const T& t) {
    const T rest = 1 - t.reshape({-1, 1, 1, 1});
    return (noise - (x_t + rest * out.prediction)).square().flatten(1).mean(1);
  }
};

} // namespace d2c
