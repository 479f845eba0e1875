#pragma once
/// The training loop: any objective, alignment, conditioning, optimizer and time distribution.

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/align_schedule.hpp>
#include <d2c/train/batch_gradient.hpp>
#include <d2c/train/check_train_config.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/class_token_batch.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/dispersive_loss.hpp>
#include <d2c/train/ema.hpp>
#include <d2c/train/gradient_clip.hpp>
#include <d2c/train/held_out_loss.hpp>
#include <d2c/train/learning_rate.hpp>
#include <d2c/train/loss_log.hpp>
#include <d2c/train/muon_optimizer.hpp>
#include <d2c/train/optimizer.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/require_trainable.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_files.hpp>
#include <d2c/train/training_recipe.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// What a training run needs beside its configuration.
struct FitOptions {
  std::uint64_t seed = 0;
  std::filesystem::path folder = {}; ///< for checkpoints and loss.csv; empty: nothing is written
  Progress* progress = nullptr;      ///< may be null
  std::string label = "training";
  TrainingSet held_out = {}; ///< not trained on; needed where evaluate_every is set
};

/// How a training run ended.
struct FitResult {
  std::int64_t steps = 0;   ///< updates behind the weights
  std::int64_t resumed = 0; ///< of which an earlier process had made
  double loss = 0;          ///< of the last update; NaN if all were made earlier
  double held_out_loss = 0; ///< of the average on the held-out images; 0 if it was not measured
  double seconds = 0;       ///< of this call
  Tensor average;           ///< [count], averaged weights in the order of the parameter table
};

namespace detail {

/// What BatchGradient reads of a set, on `device`; labels on the CPU. Visual tokens where
/// `aligned`, class tokens where the aligner entangles.
template <class Aligner>
TrainingSet set_on_device(const TrainingSet& given, bool aligned, const at::Device& device) {
  TrainingSet set;
  set.latents = given.latents.to(device, at::kFloat);
  set.labels = given.labels.to(at::kCPU, at::kLong).contiguous();
  if (aligned) {
    set.visual_tokens = given.visual_tokens.to(device);
  }
  if constexpr (entangles<Aligner>()) {
    set.class_tokens = given.class_tokens.to(device, at::kFloat);
  }
  return set;
}

/// Throws InputError if the set does not fit the network and what it is trained with.
template <class Aligner>
void require_set(const TrainingSet& set, const NetworkShape& shape, bool text, bool visual,
                 const char* name = "training set") {
  require_trainable(set, shape, text, visual, name);
  if constexpr (entangles<Aligner>()) {
    require_class_tokens(set, shape);
  }
}

/// The state of a run before its first update, without a recipe.
template <class Objective, class Conditioner, class Network, class Optimizer>
TrainingState first_state(Network& network, const TrainingSet& set, const Optimizer& optimizer) {
  ParameterTable& parameters = network.parameters();
  return {.parameters = parameters,
          .average = parameters.values().clone(),
          .optimizer = optimizer.state(),
          .text_tokens = Conditioner::uses_text ? set.text_tokens : Tensor(),
          .text_mask = Conditioner::uses_text ? set.text_mask : Tensor(),
          .network = network_shape_to_json(network.shape()),
          .recipe = {},
          .parametrisation = Objective::parametrisation};
}

/// The measurement that evaluate_every asks for. Throws InputError for a set that does not fit.
template <class Objective, class Aligner, class Conditioner, class Network>
HeldOutLoss<Objective, Aligner, Conditioner, Network>
held_out_loss(Network& network, const TrainConfig& config, const FitOptions& options) {
  require_set<Aligner>(options.held_out, network.shape(), false, false, "held-out set");
  return {network, options.held_out, options.seed, config.batch / config.accumulate};
}

/// Adds the gradient of the mean loss of `visits`, computed in `pieces` equal ones, and returns the
/// losses; ends early with one that is not finite.
template <class Gradient>
BatchLosses accumulated(Gradient& gradient, std::span<const Visit> visits, std::int64_t pieces,
                        double align_weight) {
  const auto piece = visits.size() / static_cast<std::size_t>(pieces);
  const double share = 1.0 / static_cast<double>(pieces);
  BatchLosses losses;
  for (std::size_t first = 0; first < visits.size() && std::isfinite(losses.total);
       first += piece) {
    losses += gradient.add(visits.subspan(first, piece), share, align_weight);
  }
  return losses;
}

/// Throws Failure, naming the step and what to try, if loss or gradient norm are not finite.
inline void require_finite(const LossRow& row, const std::string& label, std::int64_t steps) {
  const bool finite_loss = std::isfinite(row.loss);
  if (finite_loss && std::isfinite(row.gradient_norm)) {
    return;
  }
  char text[320];
  std::snprintf(text, sizeof text,
                "%s: expected a finite %s at step %lld of %lld, found %g at learning rate %g; "
                "lower train.learning_rate or train.muon_learning_rate, lengthen train.warmup, "
                "or lower train.clip",
                label.c_str(), finite_loss ? "gradient norm" : "loss",
                static_cast<long long>(row.step), static_cast<long long>(steps),
                finite_loss ? row.gradient_norm : row.loss, row.learning_rate);
  throw Failure(text);
}

inline void report_step(Progress& progress, double loss) {
  char note[32];
  std::snprintf(note, sizeof note, "loss %.4f", loss);
  progress.advance(1, note);
}

} // namespace detail

/// Trains `network` for `config.steps` updates on `set`: per update a batch of visits
/// (data_order.hpp), its gradient (batch_gradient.hpp) in `accumulate` pieces, clipping by the
/// global norm, optimizer, weight average. The result is a function of (set, config, seed) and the
/// library build: neither the batch's make-up nor a resume changes it. With a folder, checkpoints,
/// loss.csv, held_out.csv (where evaluate_every is set) and pairs of averages (with ema_profile
/// "power") are written there and a killed run goes on from its newest checkpoint, to the same
/// bits; a finished one is loaded. Afterwards `network` holds the last weights and FitResult the
/// averaged ones. Throws InputError for a set or configuration that does not fit, Failure when the
/// loss or the gradient is no longer finite or a file cannot be written.
template <class Objective, class Aligner, class Conditioner, class Optimizer,
          class TimeDistribution, class Network>
FitResult fit(Network& network, const TrainingSet& given, const TrainConfig& config,
              const FitOptions& options) {
  static_assert(OptimizerPolicy<Optimizer>,
                "an optimizer needs make_optimizer(tag, parameters, config) in its namespace, and "
                "what it returns step(update, parameters, average) and state()");
  const auto began = std::chrono::steady_clock::now();
  Problems problems;
  check_train_config(config, problems);
  problems.raise();
  ParameterTable& parameters = network.parameters();
  const bool aligned = Aligner::aligns && config.align_weight > 0;
  const bool regularised = (Aligner::aligns || disperses<Aligner>()) && config.align_weight > 0;
  detail::require_set<Aligner>(given, network.shape(), Conditioner::uses_text, aligned);
  if constexpr (Conditioner::uses_text) {
    network.set_text_table(given.text_tokens, given.text_mask);
  }

  const at::AutoGradMode with_gradients(true);
  auto optimizer = make_optimizer(Optimizer{}, parameters, config);
  TrainingState state = detail::first_state<Objective, Conditioner>(network, given, optimizer);
  const EmaSchedule ema = ema_schedule(config);
  const EmaSchedule second_ema = ema_schedule(config, true);
  Tensor second_average; // of ema_profile "power" alone
  if (ema.profile == EmaProfile::power) {
    second_average = parameters.values().clone();
    state.optimizer.emplace_back("second_average", second_average);
  }

  TrainingFiles files(options.folder, config);
  if (files.writes()) {
    state.recipe = training_recipe<Objective, Aligner, Conditioner, Optimizer, TimeDistribution>(
        given, config, options.seed, parameters.values());
  }
  files.resume(state);
  FitResult result;
  result.resumed = state.step;
  result.loss = std::nan("");
  std::optional<HeldOutLoss<Objective, Aligner, Conditioner, Network>> held_out;
  if (config.evaluate_every > 0 && state.step < config.steps) {
    held_out.emplace(
        detail::held_out_loss<Objective, Aligner, Conditioner>(network, config, options));
    files.open_held_out(state.step);
  }

  const RateSchedule rate = rate_schedule(config);
  const AlignDecay align_decay = parse_align_decay(config.align_schedule);
  DataOrder order(options.seed, given.size());
  BatchGradient<Objective, Aligner, Conditioner, TimeDistribution, Network> gradient(
      network, detail::set_on_device<Aligner>(given, aligned, parameters.values().device()), config,
      options.seed, config.batch / config.accumulate);
  Progress silent(true);
  Progress& progress = options.progress != nullptr ? *options.progress : silent;
  progress.start(options.label, config.steps, "steps", state.step);

  while (state.step < config.steps) {
    const std::vector<Visit> visits = order.batch(state.step, config.batch);
    const double align =
        regularised ? align_factor(align_decay, state.step, config.align_stop, config.steps) : 0.0;
    const double factor = learning_rate_factor(rate, state.step);
    parameters.zero_gradients();
    const BatchLosses losses =
        detail::accumulated(gradient, visits, config.accumulate, config.align_weight * align);
    const LossRow row{
        .step = state.step + 1,
        .loss = losses.total,
        .denoise = losses.denoise,
        .align = regularised && align == 0 ? std::nan("") : losses.align,
        .learning_rate = config.learning_rate * factor,
        .gradient_norm = std::isfinite(losses.total) ? gradient_norm(parameters.gradients()) : 0.0};
    detail::require_finite(row, options.label, config.steps);
    optimizer.step(OptimizerStep{.index = state.step,
                                 .learning_rate_factor = factor,
                                 .gradient_scale = clip_factor(row.gradient_norm, config.clip),
                                 .ema_decay = ema_decay(ema, state.step)},
                   parameters, state.average);
    if (second_average.defined()) {
      second_average.lerp_(parameters.values(), 1.0 - ema_decay(second_ema, state.step));
    }
    ++state.step;
    result.loss = row.loss;

    files.row(row);
    if (held_out && (state.step % config.evaluate_every == 0 || state.step == config.steps)) {
      const HeldOutResult measured = held_out->measure(state.average);
      result.held_out_loss = measured.loss;
      files.held_out(state.step, measured);
    }
    if (second_average.defined()) {
      files.averages(state, second_average);
    }
    files.checkpoint(state);
    detail::report_step(progress, row.loss);
  }
  files.finish(state);
  progress.finish();
  parameters.zero_gradients();
  result.steps = state.step;
  result.average = state.average;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

} // namespace d2c
