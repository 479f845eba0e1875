#pragma once
/// The training loop: any objective, alignment, conditioning, optimizer and time distribution.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <d2c/config/adapt.hpp>
#include <d2c/config/no_effect.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
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
#include <d2c/train/checkpoint_folder.hpp>
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
#include <d2c/train/post_hoc_average.hpp>
#include <d2c/train/step_log.hpp>
#include <d2c/train/train_config.hpp>
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

/// Everything that fixes the bits of a run, one "key=value" a line.
template <class... Policies>
std::string training_recipe(const TrainingSet& set, const TrainConfig& config, std::uint64_t seed,
                            const Tensor& initial) {
  std::string recipe;
  ((recipe += "policy=" + std::string(Policies::name) + "\n"), ...);
  recipe += "seed=" + std::to_string(seed) + "\n";
  for_each_field(config, [&](std::string_view name, const auto& field) {
    // The values count, not where they came from.
    if (!changes_results<TrainConfig>(name) || name == "initial_weights") {
      return;
    }
    std::string text;
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, double>) {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.17g", field);
      text = digits;
    } else if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::string>) {
      text = field;
    } else {
      text = std::to_string(field);
    }
    recipe += "train." + std::string(name) + "=" + text + "\n";
  });
  const auto hash = [](const Tensor& tensor) {
    const Tensor bytes = tensor.cpu().contiguous();
    return hash_of_text({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  };
  if (!config.initial_weights.empty()) {
    recipe += "initial=" + hash(initial) + "\n";
  }
  recipe += "images=" + std::to_string(set.size()) + "\n";
  recipe += "latents=" + hash(set.latents) + "\n";
  recipe += "labels=" + hash(set.labels) + "\n";
  return recipe;
}

/// Throws InputError if the set does not fit the network and what it is trained with.
inline void require_trainable(const TrainingSet& set, const NetworkShape& shape, bool text,
                              bool visual, const char* name = "training set") {
  const auto refuse = [name](const std::string& sentence) {
    throw InputError(std::string(name) + ": " + sentence);
  };
  if (set.size() == 0) {
    refuse("expected at least one image, found none");
  }
  if (set.latents.dim() != 4 || set.latents.size(1) != shape.channels ||
      set.latents.size(2) != shape.height || set.latents.size(3) != shape.width) {
    refuse("expected images of " + std::to_string(shape.channels) + " x " +
           std::to_string(shape.height) + " x " + std::to_string(shape.width) +
           ", found a tensor of " + std::to_string(set.latents.numel() / set.size()) +
           " elements per image");
  }
  if (!set.labels.defined() || set.labels.numel() != set.size()) {
    refuse("expected one label per image (" + std::to_string(set.size()) + "), found " +
           std::to_string(set.labels.defined() ? set.labels.numel() : 0));
  }
  const auto least = set.labels.min().item<std::int64_t>();
  const auto largest = set.labels.max().item<std::int64_t>();
  if (least < 0 || largest >= shape.classes) {
    refuse("expected labels 0 to " + std::to_string(shape.classes - 1) + ", found " +
           std::to_string(least < 0 ? least : largest));
  }
  if (text && (!set.text_tokens.defined() || !set.text_mask.defined())) {
    refuse("expected text tokens, found none attached");
  }
  if (visual && (!set.visual_tokens.defined() || set.visual_tokens.size(0) != set.size())) {
    refuse("expected visual tokens for " + std::to_string(set.size()) + " images, found " +
           std::to_string(set.visual_tokens.defined() ? set.visual_tokens.size(0) : 0));
  }
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
  const NetworkShape& shape = network.shape();
  const bool aligned = Aligner::aligns && config.align_weight > 0;
  const bool regularised = (Aligner::aligns || disperses<Aligner>()) && config.align_weight > 0;
  detail::require_trainable(given, shape, Conditioner::uses_text, aligned);

  const at::Device device = parameters.values().device();
  TrainingSet set;
  set.latents = given.latents.to(device, at::kFloat);
  set.labels = given.labels.to(at::kCPU, at::kLong).contiguous();
  if (aligned) {
    set.visual_tokens = given.visual_tokens.to(device);
  }
  if constexpr (entangles<Aligner>()) {
    require_class_tokens(given, shape);
    set.class_tokens = given.class_tokens.to(device, at::kFloat);
  }
  if constexpr (Conditioner::uses_text) {
    network.set_text_table(given.text_tokens, given.text_mask);
  }

  const at::AutoGradMode with_gradients(true);
  auto optimizer = make_optimizer(Optimizer{}, parameters, config);
  TrainingState state{.parameters = parameters,
                      .average = parameters.values().clone(),
                      .optimizer = optimizer.state(),
                      .text_tokens = Conditioner::uses_text ? given.text_tokens : Tensor(),
                      .text_mask = Conditioner::uses_text ? given.text_mask : Tensor(),
                      .network = network_shape_to_json(shape),
                      .recipe = {},
                      .parametrisation = Objective::parametrisation};
  const EmaSchedule ema = ema_schedule(config);
  const bool power = ema.profile == EmaProfile::power;
  const EmaSchedule second_ema = ema_schedule(config, true);
  Tensor second_average;
  if (power) {
    second_average = parameters.values().clone();
    state.optimizer.emplace_back("second_average", second_average);
  }
  FitResult result;
  result.loss = std::nan("");
  const bool writes = !options.folder.empty();
  const CheckpointFolder folder(options.folder);
  std::optional<LossLog> log;
  std::optional<StepLog> held_out_log;
  if (writes) {
    state.recipe =
        detail::training_recipe<Objective, Aligner, Conditioner, Optimizer, TimeDistribution>(
            given, config, options.seed, parameters.values());
    folder.remove_leftovers();
    const std::vector<std::int64_t> done = folder.steps();
    if (std::filesystem::exists(folder.final())) {
      state.step = restore_checkpoint(folder.final(), state, false);
    } else if (!done.empty()) {
      state.step = restore_checkpoint(folder.step(done.back()), state);
    }
    if (state.step < config.steps) {
      log.emplace(options.folder / "loss.csv", state.step);
    }
  }
  result.resumed = state.step;
  std::optional<HeldOutLoss<Objective, Aligner, Conditioner, Network>> held_out;
  if (config.evaluate_every > 0 && state.step < config.steps) {
    detail::require_trainable(options.held_out, shape, false, false, "held-out set");
    if constexpr (entangles<Aligner>()) {
      require_class_tokens(options.held_out, shape);
    }
    held_out.emplace(network, options.held_out, options.seed, config.batch / config.accumulate);
    if (writes) {
      held_out_log.emplace(options.folder / "held_out.csv", "step,loss,standard_error\n",
                           state.step);
    }
  }

  const RateSchedule rate = rate_schedule(config);
  const AlignDecay align_decay = parse_align_decay(config.align_schedule);
  const std::int64_t piece = config.batch / config.accumulate;
  const double share = 1.0 / static_cast<double>(config.accumulate);
  DataOrder order(options.seed, set.size());
  BatchGradient<Objective, Aligner, Conditioner, TimeDistribution, Network> gradient(
      network, set, config, options.seed, piece);
  if (options.progress != nullptr) {
    options.progress->start(options.label, config.steps, "steps", state.step);
  }

  while (state.step < config.steps) {
    const std::vector<Visit> visits = order.batch(state.step, config.batch);
    const double align =
        regularised ? align_factor(align_decay, state.step, config.align_stop, config.steps) : 0.0;
    parameters.zero_gradients();
    BatchLosses losses;
    for (std::int64_t k = 0; k < config.accumulate && std::isfinite(losses.total); ++k) {
      losses += gradient.add(std::span(visits).subspan(static_cast<std::size_t>(k * piece),
                                                       static_cast<std::size_t>(piece)),
                             share, config.align_weight * align);
    }
    const double loss = losses.total;
    const double factor = learning_rate_factor(rate, state.step);
    const double norm = std::isfinite(loss) ? gradient_norm(parameters.gradients()) : 0.0;
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      char text[320];
      std::snprintf(text, sizeof text,
                    "%s: expected a finite %s at step %lld of %lld, found %g at learning rate %g; "
                    "lower train.learning_rate or train.muon_learning_rate, lengthen train.warmup, "
                    "or lower train.clip",
                    options.label.c_str(), std::isfinite(loss) ? "gradient norm" : "loss",
                    static_cast<long long>(state.step + 1), static_cast<long long>(config.steps),
                    std::isfinite(loss) ? norm : loss, config.learning_rate * factor);
      throw Failure(text);
    }
    OptimizerStep update;
    update.index = state.step;
    update.learning_rate_factor = factor;
    update.gradient_scale = clip_factor(norm, config.clip);
    update.ema_decay = ema_decay(ema, state.step);
    optimizer.step(update, parameters, state.average);
    if (power) {
      second_average.lerp_(parameters.values(), 1.0 - ema_decay(second_ema, state.step));
    }
    ++state.step;
    result.loss = loss;

    const bool last = state.step == config.steps;
    if (log && (state.step % config.log_every == 0 || last)) {
      log->append({state.step, loss, losses.denoise,
                   regularised && align == 0 ? std::nan("") : losses.align,
                   config.learning_rate * factor, norm});
    }
    if (held_out && (state.step % config.evaluate_every == 0 || last)) {
      const HeldOutResult measured = held_out->measure(state.average);
      result.held_out_loss = measured.loss;
      if (held_out_log) {
        held_out_log->append(state.step, {measured.loss, measured.standard_error});
      }
    }
    if (writes && power && (state.step % config.ema_snapshot_every == 0 || last)) {
      write_average_pair(folder.average(state.step), parameters,
                         {.step = state.step,
                          .gammas = {ema.gamma, second_ema.gamma},
                          .averages = {state.average, second_average},
                          .network = state.network});
    }
    if (writes && !last && state.step % config.checkpoint_every == 0) {
      log->sync();
      if (held_out_log) {
        held_out_log->sync();
      }
      write_checkpoint(folder.step(state.step), state, false);
      folder.keep_newest(config.keep_checkpoints, config.keep_every);
    }
    if (options.progress != nullptr) {
      char note[32];
      std::snprintf(note, sizeof note, "loss %.4f", loss);
      options.progress->advance(1, note);
    }
  }
  if (log) {
    log->sync();
    if (held_out_log) {
      held_out_log->sync();
    }
    write_checkpoint(folder.final(), state, true);
  }
  if (options.progress != nullptr) {
    options.progress->finish();
  }
  parameters.zero_gradients();
  result.steps = state.step;
  result.average = state.average;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

} // namespace d2c
