#pragma once
/// The body of the stage Scorer: a network, the loss matrix, the scores.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/published_weights.hpp>
#include <d2c/score/check_score_config.hpp>
#include <d2c/score/fill_loss_matrix.hpp>
#include <d2c/score/loss_matrix.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/score/score_table.hpp>
#include <d2c/score/scorer.hpp>
#include <d2c/score/scorer_network.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/denoiser_shape.hpp>

namespace d2c {

/// Problems that can be seen before anything runs: ranges of [score], and a checkpoint that is not
/// there, does not fit the network or, for a network with published weights, is not named.
template <class... Policies>
void check_stage(const Scorer<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Scorer<Policies...>;
  using Estimator = typename Stage::estimator;
  const auto& config = context.section<ScoreConfig>();
  const auto shape = scorer_shape<typename Stage::model, typename Stage::objective>(context.facts);
  check_score_config(config, problems, published_weights(shape));
  if (!trains_scorer(config) && is_file(denoiser_file(config.checkpoint))) {
    problems.check("score.checkpoint",
                   [&] { scorer_weights<typename Stage::objective>(config).require_fits(shape); });
  }
  if constexpr (requires { Estimator::check(config, problems); }) {
    Estimator::check(config, problems);
  }
}

/// Scores every image of the training split (Eq. 7, Algorithm 2): trains or loads the scorer,
/// completes the loss matrix, writes scores.csv in the order of the split. Resumable at every
/// point. Throws InputError and Failure as its parts.
template <class... Policies>
void run_stage(const Scorer<Policies...>&, StageContext& context) {
  using Stage = Scorer<Policies...>;
  const auto& config = context.section<ScoreConfig>();
  const ImageSet images = context.images(Split::train);
  const std::vector<ScoreColumn> columns = Stage::estimator::columns(config, context.seed);
  if (LossMatrix::open(context.out).first_missing(columns, images.size()) < images.size()) {
    const auto network =
        scorer_network<typename Stage::model, typename Stage::objective>(context, images);
    const auto predict = [&](const Tensor& x, const Tensor& t, const Tensor& labels) {
      return network->forward(x, t, Conditioning{labels, {}});
    };
    fill_loss_matrix<typename Stage::objective>(context.out, predict, images, context.codec,
                                                columns, device_from(context.device),
                                                config.batch_images, context.progress);
  }
  const LossMatrix matrix = LossMatrix::open(context.out);
  const ScoreTable table = score_table(matrix.values(columns), columns, images.labels);
  std::vector<ScoredImage> rows;
  rows.reserve(table.score.size());
  for (std::size_t i = 0; i < table.score.size(); ++i) {
    rows.push_back({.id = images.ids[i],
                    .path = {},
                    .label = images.labels[i],
                    .score = table.score[i],
                    .standard_error = table.standard_error[i]});
  }
  write_scores(context.out / "scores.csv", rows);
}

} // namespace d2c
