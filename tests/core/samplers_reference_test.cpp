// Oracles: diffusers' schedulers, torchdiffeq, and SiT's stochastic samplers written out, all run
// by tests/reference/samplers.py.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <d2c/diffusion/ddim.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/dopri5.hpp>
#include <d2c/diffusion/dpm_solver.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/option_name.hpp>
#include <d2c/diffusion/rows.hpp>
#include <d2c/diffusion/sde_heun.hpp>
#include <d2c/io/safetensors.hpp>

#include <catch.hpp>

namespace {

/// A small batch of rows, so that the methods run without a tensor library.
struct Batch {
  std::size_t rows = 1;
  std::vector<double> values;

  [[nodiscard]] std::size_t columns() const { return values.size() / rows; }
};

template <class F>
Batch each(Batch a, F f) {
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] = f(a.values[i], i);
  }
  return a;
}

Batch operator*(const Batch& a, double b) {
  return each(a, [b](double x, std::size_t) { return x * b; });
}

Batch operator+(const Batch& a, const Batch& b) {
  return each(a, [&](double x, std::size_t i) { return x + b.values[i]; });
}

Batch operator-(const Batch& a, const Batch& b) {
  return each(a, [&](double x, std::size_t i) { return x - b.values[i]; });
}

} // namespace

template <>
struct d2c::Rows<Batch> {
  static std::int64_t count(const Batch& x) { return static_cast<std::int64_t>(x.rows); }

  static Batch scaled(const Batch& x, const std::vector<double>& factors) {
    return each(x, [&](double v, std::size_t i) { return v * factors[i / x.columns()]; });
  }

  static std::vector<double> error(const Batch& e, const Batch& a, const Batch& b, double atol,
                                   double rtol) {
    std::vector<double> sums(e.rows, 0.0);
    for (std::size_t i = 0; i < e.values.size(); ++i) {
      const double scale = atol + rtol * std::max(std::abs(a.values[i]), std::abs(b.values[i]));
      sums[i / e.columns()] += std::pow(e.values[i] / scale, 2) / double(e.columns());
    }
    return sums;
  }

  static Batch take(const Batch& x, const std::vector<std::int64_t>& rows) {
    Batch part{rows.size(), {}};
    for (const std::int64_t row : rows) {
      const auto* first = x.values.data() + static_cast<std::size_t>(row) * x.columns();
      part.values.insert(part.values.end(), first, first + x.columns());
    }
    return part;
  }

  static Batch put(Batch into, const std::vector<std::int64_t>& rows, const Batch& from) {
    const std::size_t columns = into.columns();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::copy_n(from.values.begin() + static_cast<std::ptrdiff_t>(i * columns), columns,
                  into.values.begin() +
                      static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rows[i]) * columns));
    }
    return into;
  }
};

namespace {

using namespace d2c;

const SafetensorsFile& reference() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/samplers.py wrote to");
  }
  static const SafetensorsFile file(std::filesystem::path(folder) / "samplers" /
                                    "samplers.safetensors");
  return file;
}

/// The network of the reference.
Batch network(const Batch& x, double t) {
  return each(x, [t](double v, std::size_t) { return 0.8 * std::sin(v + t); });
}

double worst_difference(const Batch& found, const std::string& name) {
  const std::vector<double> expected = reference().values<double>(name);
  REQUIRE(found.values.size() == expected.size());
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(found.values[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

/// Largest difference of a whole trajectory's end, relative to its largest value.
template <class Method>
double difference(const std::string& name, const Parametrisation& kind,
                  const SamplingOptions& options) {
  const double scale = is_discrete(kind.path) ? 0.001 : 1;
  const auto predict = [scale](const Batch& x, double t) {
    return Denoised<Batch>{network(x, scale * t), {}};
  };
  const auto field = make_field<Batch>(kind, predict);
  REQUIRE(Method::refusal(options, kind).empty());
  std::vector<double> noises;
  const Batch start{1, reference().values<double>(name + ".start")};
  const std::size_t n = start.columns();
  if (reference().has(name + ".noises")) {
    noises = reference().values<double>(name + ".noises");
  }
  const Batch end = Method::sample(start, options, field, [&](std::uint32_t step) {
    const auto first = noises.begin() + static_cast<std::ptrdiff_t>(step * n);
    return Batch{1, {first, first + static_cast<std::ptrdiff_t>(n)}};
  });
  return worst_difference(end, name + ".end");
}

} // namespace

TEST_CASE("samplers reference: DDIM agrees with diffusers") {
  for (const StepSpacing spacing : {StepSpacing::leading, StepSpacing::trailing}) {
    for (const auto& [text, eta] :
         {std::pair{"0", 0.0}, std::pair{"0.6", 0.6}, std::pair{"1", 1.0}}) {
      const std::string name = "ddim." + std::string(option_name(spacing)) + "." + text;
      INFO(name);
      CHECK(difference<DDIM>(name, {PathKind::ddpm_linear, TargetKind::noise},
                             {.steps = 20, .eta = eta, .spacing = spacing}) < 1e-9);
    }
  }
}

TEST_CASE("samplers reference: DPM-Solver++(2M) agrees with diffusers") {
  for (const auto& [schedule, path] :
       {std::pair{"linear", PathKind::ddpm_linear}, std::pair{"cosine", PathKind::ddpm_cosine}}) {
    for (const auto& [text, target] :
         {std::pair{"epsilon", TargetKind::noise}, std::pair{"v_prediction", TargetKind::velocity},
          std::pair{"sample", TargetKind::data}}) {
      const std::string name = "dpm." + std::string(schedule) + "." + text;
      INFO(name);
      // diffusers keeps its sigmas in float32.
      CHECK(difference<DPMSolver2M>(name, {path, target},
                                    {.steps = 20, .spacing = StepSpacing::trailing}) < 1e-4);
    }
  }
  // On the linear path diffusers' grid starts at 0.999, as ours does for predicted noise.
  CHECK(difference<DPMSolver2M>("dpm.flow", {PathKind::linear, TargetKind::noise}, {.steps = 16}) <
        1e-4);
}

TEST_CASE("samplers reference: the adaptive method agrees with torchdiffeq") {
  for (const auto& [text, rtol, atol] :
       {std::tuple{"published", 1e-3, 1e-6}, std::tuple{"tight", 1e-7, 1e-9}}) {
    const std::string name = "dopri5." + std::string(text);
    INFO(name);
    const Batch start{3, reference().values<double>(name + ".start")};
    // Copies: clang 14 lets no lambda capture a structured binding.
    const auto run = [relative = rtol, absolute = atol](const Batch& from, StepControl control,
                                                        std::int64_t& calls) {
      Dopri5Integrator<Batch> integrator({.rtol = relative, .atol = absolute, .control = control});
      Batch end = integrator.integrate(
          from, 1, 0,
          [](const Batch& x, const std::vector<double>& t, const std::vector<std::int64_t>&) {
            return each(x, [&](double v, std::size_t i) {
              return 3 * std::cos(2 * v + 5 * t[i / x.columns()]) - v;
            });
          });
      calls = integrator.report().calls[0];
      return end;
    };
    std::int64_t calls = 0;
    CHECK(worst_difference(run(start, StepControl::torchdiffeq, calls), name + ".end") < 1e-9);
    CHECK(static_cast<double>(calls) == reference().values<double>(name + ".calls")[0]);
    // Steps of each row's own: near the exact solution, and the same whatever the batch.
    const Batch own = run(start, StepControl::sample, calls);
    CHECK(worst_difference(own, name + ".exact") < 100 * rtol);
    for (std::size_t row = 0; row < 3; ++row) {
      const std::vector<std::int64_t> only{static_cast<std::int64_t>(row)};
      const Batch alone = run(Rows<Batch>::take(start, only), StepControl::sample, calls);
      CHECK(alone.values == Rows<Batch>::take(own, only).values);
    }
  }
}

TEST_CASE("samplers reference: every stochastic method of SiT, form and last step") {
  for (const PathKind path : {PathKind::linear, PathKind::gvp, PathKind::vp}) {
    for (const std::string_view form : option_names<DiffusionForm>) {
      for (const std::string_view end : option_names<LastStep>) {
        const SamplingOptions options{.steps = 12,
                                      .diffusion = *option_from_name<DiffusionForm>(form),
                                      .diffusion_norm = 0.7,
                                      .last_step = *option_from_name<LastStep>(end),
                                      .last_step_size = 0.1};
        const Parametrisation kind{path, TargetKind::velocity};
        const std::string name = "sit." + std::string(option_name(path)) + "." + std::string(form) +
                                 "." + std::string(end);
        INFO(name);
        CHECK(difference<EulerMaruyama>(name + ".em", kind, options) < 1e-8);
        CHECK(difference<SdeHeun>(name + ".heun", kind, options) < 1e-8);
      }
    }
  }
}
