#pragma once

/// What a sampling method may be told.

#include <d2c/diffusion/diffusion_form.hpp>
#include <d2c/diffusion/last_step.hpp>
#include <d2c/diffusion/step_control.hpp>
#include <d2c/diffusion/step_spacing.hpp>

namespace d2c {

/// Steps of the solver, the shift of its time grid, and what single methods read beside them.
struct SamplingOptions {
  int steps = 50;
  double time_shift = 1.0; ///< s in t' = s t / (1 + (s - 1) t); above 1: more steps at high noise

  double rtol = 1e-3; ///< adaptive: allowed error of a step, relative to the state
  double atol = 1e-6; ///< adaptive: allowed error of a step, absolute
  StepControl step_control = StepControl::sample; ///< adaptive: whose error counts

  DiffusionForm diffusion = DiffusionForm::sigma; ///< stochastic: form of the noise
  double diffusion_norm = 1.0;                    ///< stochastic: its strength eta
  LastStep last_step = LastStep::mean;            ///< stochastic: how it ends
  double last_step_size = 0.04;                   ///< stochastic: where it does

  double eta = 0.0;                            ///< DDIM: 0: no noise, 1: as much as DDPM
  StepSpacing spacing = StepSpacing::respaced; ///< DDIM and DPM-Solver++ on a DDPM schedule
};

} // namespace d2c
