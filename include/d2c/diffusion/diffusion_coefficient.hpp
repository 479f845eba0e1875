#pragma once
/// The value of SiT's diffusion coefficients. Holds no solver.

#include <cmath>
#include <numbers>

#include <d2c/diffusion/diffusion_form.hpp>
#include <d2c/diffusion/path_point.hpp>

namespace d2c {

/// w(t); see DiffusionForm. `point` is the path at t.
[[nodiscard]] inline double diffusion_coefficient(DiffusionForm form, double norm,
                                                  const PathPoint& point, double t) {
  switch (form) {
  case DiffusionForm::constant:
    return norm;
  case DiffusionForm::sbdm:
    return norm * point.sigma * (point.d_sigma - point.sigma * point.d_alpha / point.alpha);
  case DiffusionForm::sigma:
    return norm * point.sigma;
  case DiffusionForm::linear:
    return norm * t;
  case DiffusionForm::decreasing: {
    const double root = 0.5 * (1 - norm * std::cos(std::numbers::pi * t));
    return root * root;
  }
  case DiffusionForm::increasing_decreasing: {
    const double sine = std::sin(std::numbers::pi * t);
    return norm * sine * sine;
  }
  }
  return norm;
}

/// w(t) / sigma(t), what multiplies the predicted noise in the drift: exactly eta for the form
/// sigma, also where sigma is 0.
[[nodiscard]] inline double diffusion_over_sigma(DiffusionForm form, double norm,
                                                 const PathPoint& point, double t) {
  return form == DiffusionForm::sigma ? norm
                                      : diffusion_coefficient(form, norm, point, t) / point.sigma;
}

} // namespace d2c
