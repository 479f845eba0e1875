#pragma once
/// Which noisy images a denoiser was trained on and what it predicts of them: facts that a sampler
/// reads from a checkpoint. Torch-free.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <d2c/diffusion/option_name.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// How data x_0 and noise eps mix to x_t = alpha(t) x_0 + sigma(t) eps. Three continuous paths with
/// t = 0 data and t = 1 noise (SiT's, with time reversed), and the two DDPM schedules, whose time
/// is an index 0 (cleanest) .. 999.
enum class PathKind { linear, gvp, vp, ddpm_linear, ddpm_cosine };

/// What the network predicts: velocity d_alpha x_0 + d_sigma eps, noise eps, data x_0, or score
/// -eps / sigma.
enum class TargetKind { velocity, noise, data, score };

template <>
inline constexpr std::array<std::string_view, 5> option_names<PathKind>{
    "linear", "gvp", "vp", "ddpm-linear", "ddpm-cosine"};

template <>
inline constexpr std::array<std::string_view, 4> option_names<TargetKind>{"velocity", "noise",
                                                                          "data", "score"};

/// A path and a target.
struct Parametrisation {
  PathKind path = PathKind::linear;
  TargetKind target = TargetKind::velocity;

  friend constexpr bool operator==(const Parametrisation&, const Parametrisation&) = default;
};

/// Whether times of the path are the indices of a DDPM schedule.
[[nodiscard]] constexpr bool is_discrete(PathKind path) {
  return path == PathKind::ddpm_linear || path == PathKind::ddpm_cosine;
}

/// What published networks of a family predict: the linear path's velocity (SiT), or the noise of
/// the linear DDPM schedule (DiT). It holds for a checkpoint that does not say.
[[nodiscard]] constexpr Parametrisation default_parametrisation(Family family) {
  return family == Family::dit ? Parametrisation{PathKind::ddpm_linear, TargetKind::noise}
                               : Parametrisation{PathKind::linear, TargetKind::velocity};
}

/// "linear velocity": how a checkpoint and a message say it.
[[nodiscard]] inline std::string parametrisation_text(const Parametrisation& parametrisation) {
  return std::string(option_name(parametrisation.path)) + " " +
         std::string(option_name(parametrisation.target));
}

/// Reads what parametrisation_text wrote; nothing for another text.
[[nodiscard]] inline std::optional<Parametrisation>
parametrisation_from_text(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) {
    return std::nullopt;
  }
  const auto path = option_from_name<PathKind>(text.substr(0, space));
  const auto target = option_from_name<TargetKind>(text.substr(space + 1));
  return path && target ? std::optional(Parametrisation{*path, *target}) : std::nullopt;
}

} // namespace d2c
