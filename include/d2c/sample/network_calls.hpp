#pragma once
/// How often a sampling method asks the network about an image, found by running the method. Torch-
/// free.

#include <cmath>
#include <cstdint>
#include <string>

#include <d2c/core/stage_context.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/sample/check_sample_config.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/sample/sampler.hpp>

namespace d2c {

/// Network evaluations per image with guidance counted, by following one number from noise to data
/// that are -1 or 1 with deviation 0.05. For a method that chooses its own steps an estimate; for
/// the others exact. 0 where the method refuses the options or the parametrisation.
template <class Method>
double network_calls(const SampleConfig& config, const Parametrisation& parametrisation) {
  const SamplingOptions options = sampling_options(config);
  const Guidance guidance = guidance_of(config);
  if (!method_accepts<Method>(parametrisation) ||
      !Method::refusal(options, parametrisation).empty()) {
    return 0;
  }
  const double guided = guidance.null == GuidanceNull::independent ? 3 : 2;
  const double times = is_discrete(parametrisation.path) ? DdpmSchedule::training_steps : 1;
  double calls = 0;
  const auto perfect = [&](double x, double t) {
    calls += guidance.acts_at(t / times) ? guided : 1;
    const PathPoint p = path_point(parametrisation.path, t);
    constexpr double mode = 0.05 * 0.05;
    const double variance = p.alpha * p.alpha * mode + p.sigma * p.sigma;
    const double side = std::tanh(p.alpha * x / variance);
    const double data = side + p.alpha * mode / variance * (x - p.alpha * side);
    const double noise = p.sigma / variance * (x - p.alpha * side);
    switch (parametrisation.target) {
    case TargetKind::velocity:
      return Denoised<double>{data * p.d_alpha + noise * p.d_sigma, {}};
    case TargetKind::noise:
      return Denoised<double>{noise, {}};
    case TargetKind::data:
      return Denoised<double>{data, {}};
    case TargetKind::score:
      break;
    }
    return Denoised<double>{(p.alpha * side - x) / variance, {}};
  };
  static_cast<void>(Method::sample(0.7, options, make_field<double>(parametrisation, perfect),
                                   [](std::uint32_t) { return 0.3; }));
  return calls;
}

/// The same for the method of a stage.
template <class... Policies>
double network_calls(const Sampler<Policies...>&, const Sections& sections,
                     const Parametrisation& parametrisation) {
  return network_calls<typename Sampler<Policies...>::method>(sections.get<SampleConfig>(),
                                                              parametrisation);
}

} // namespace d2c
