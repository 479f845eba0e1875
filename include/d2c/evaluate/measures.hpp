#pragma once
/// The metrics of this library as `measure` functions: from features to numbers in metrics.json.

#include <string>
#include <string_view>
#include <utility>

#include <d2c/evaluate/copies.hpp>
#include <d2c/evaluate/density_coverage.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/fd_dinov2.hpp>
#include <d2c/evaluate/frechet.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/manifold_density.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/evaluate/precision_recall.hpp>

namespace d2c {

/// The name of a number: that of the network, or of its resize, is put behind it if it has a
/// `suffix`, so that numbers of several networks stand side by side.
template <class Features>
std::string number_name(const std::string& number) {
  if constexpr (requires { std::string_view{Features::suffix}; }) {
    return number + "_" + std::string{Features::suffix};
  } else if constexpr (requires { std::string_view{Features::resize::suffix}; }) {
    return number + "_" + std::string{Features::resize::suffix};
  } else {
    return number;
  }
}

/// The first number that a metric writes, so that two of one name are found before they are
/// computed; empty: not known.
template <class Metric>
std::string leading_number(Metric) {
  return {};
}

template <class Features>
std::string leading_number(FrechetDistance<Features>) {
  return number_name<Features>("frechet");
}

template <class Features>
std::string leading_number(PrecisionRecall<Features>) {
  return number_name<Features>("precision");
}

template <class Features>
std::string leading_number(DensityCoverage<Features>) {
  return number_name<Features>("density");
}

template <class Features>
std::string leading_number(CopyAudit<Features>) {
  return number_name<Features>("copies");
}

/// `frechet`: distance of the samples to the held-out images; `frechet_training`: that of the
/// training images themselves, the floor for a denoiser that only repeats them.
template <class Features>
void measure(FrechetDistance<Features>, const JudgedFeatures& sets, const EvaluateConfig&,
             Judgement& out) {
  out.numbers[number_name<Features>("frechet")] =
      frechet_distance(sets.samples.moments, sets.held_out.moments);
  out.numbers[number_name<Features>("frechet_training")] =
      frechet_distance(sets.training.moments, sets.held_out.moments);
}

/// `fd_dinov2` and `fd_dinov2_training`, as above: on ViT-L/14 alone. The distance on another
/// encoder is a `frechet` with its name.
inline void measure(FDDINOv2, const JudgedFeatures& sets, const EvaluateConfig&, Judgement& out) {
  out.numbers["fd_dinov2"] = frechet_distance(sets.samples.moments, sets.held_out.moments);
  out.numbers["fd_dinov2_training"] =
      frechet_distance(sets.training.moments, sets.held_out.moments);
}

/// `precision` and `recall` of the samples against the held-out images.
template <class Features>
void measure(PrecisionRecall<Features>, const JudgedFeatures& sets, const EvaluateConfig& config,
             Judgement& out) {
  const ManifoldOverlap overlap =
      manifold_overlap(sets.held_out.neighbours, sets.samples.neighbours, config.neighbours);
  out.numbers[number_name<Features>("precision")] = overlap.precision;
  out.numbers[number_name<Features>("recall")] = overlap.recall;
}

/// `density` and `coverage` of the samples among the held-out images.
template <class Features>
void measure(DensityCoverage<Features>, const JudgedFeatures& sets, const EvaluateConfig& config,
             Judgement& out) {
  const ManifoldDensity found = manifold_density(sets.held_out.neighbours, sets.samples.neighbours,
                                                 config.density_neighbours);
  out.numbers[number_name<Features>("density")] = found.density;
  out.numbers[number_name<Features>("coverage")] = found.coverage;
}

/// `copies`: share of samples nearer to a training image than the percentile of held-out images is;
/// by chance `copies_chance`.
template <class Features>
void measure(CopyAudit<Features>, const JudgedFeatures& sets, const EvaluateConfig& config,
             Judgement& out) {
  NearCopies found = near_copies(sets.samples.neighbours, sets.training.neighbours,
                                 sets.held_out.neighbours, config.copy_percentile);
  out.numbers[number_name<Features>("copies")] = found.share;
  out.numbers[number_name<Features>("copies_chance")] = config.copy_percentile / 100.0;
  out.numbers[number_name<Features>("copies_threshold")] = found.threshold;
  out.nearest = std::move(found.samples);
}

} // namespace d2c
