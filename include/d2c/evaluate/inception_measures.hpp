#pragma once
/// The metrics on Inception-v3 as `measure` functions: from features to numbers in metrics.json.

#include <d2c/evaluate/class_score.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/fid.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/inception_score.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/kernel_distance.hpp>
#include <d2c/evaluate/kid.hpp>

namespace d2c {

/// `fid`: of the samples against the held-out images; `fid_training`: that of the training images.
inline void measure(FID, const JudgedFeatures& sets, const EvaluateConfig&, Judgement& out) {
  out.numbers["fid"] = frechet_distance(sets.samples.moments, sets.held_out.moments);
  out.numbers["fid_training"] = frechet_distance(sets.training.moments, sets.held_out.moments);
}

/// `half_pixel_fid` and `half_pixel_fid_training`, as above.
inline void measure(HalfPixelFID, const JudgedFeatures& sets, const EvaluateConfig&,
                    Judgement& out) {
  out.numbers["half_pixel_fid"] = frechet_distance(sets.samples.moments, sets.held_out.moments);
  out.numbers["half_pixel_fid_training"] =
      frechet_distance(sets.training.moments, sets.held_out.moments);
}

/// `sfid` and `sfid_training`, as above.
inline void measure(SpatialFID, const JudgedFeatures& sets, const EvaluateConfig&, Judgement& out) {
  out.numbers["sfid"] = frechet_distance(sets.samples.spatial, sets.held_out.spatial);
  out.numbers["sfid_training"] = frechet_distance(sets.training.spatial, sets.held_out.spatial);
}

/// `inception_score` of the samples, with `inception_score_deviation` over its parts.
inline void measure(InceptionScore, const JudgedFeatures& sets, const EvaluateConfig&,
                    Judgement& out) {
  const ClassScore score = class_score(sets.samples.logits);
  out.numbers["inception_score"] = score.mean;
  out.numbers["inception_score_deviation"] = score.deviation;
}

/// `shuffled_inception_score` of the samples, with its deviation over the parts.
inline void measure(ShuffledInceptionScore, const JudgedFeatures& sets, const EvaluateConfig&,
                    Judgement& out) {
  const ClassScore score = shuffled_class_score(sets.samples.logits);
  out.numbers["shuffled_inception_score"] = score.mean;
  out.numbers["shuffled_inception_score_deviation"] = score.deviation;
}

/// `kid` of the samples against the held-out images, with `kid_deviation` over its subsets.
inline void measure(KID, const JudgedFeatures& sets, const EvaluateConfig& config, Judgement& out) {
  const KernelDistance distance = kernel_distance(sets.samples.neighbours, sets.held_out.neighbours,
                                                  config.kid_subsets, config.kid_subset_size);
  out.numbers["kid"] = distance.mean;
  out.numbers["kid_deviation"] = distance.deviation;
}

} // namespace d2c
