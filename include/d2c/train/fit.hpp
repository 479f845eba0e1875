#pragma once
/// The training loop: any objective, alignment, conditioning, optimizer and time distribution.

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
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/alignment_loss.hpp>
#include <d2c/train/check_train_config.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/checkpoint_folder.hpp>
#include <d2c/train/class_token_batch.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/drop_conditions.hpp>
#include <d2c/train/ema.hpp>
#include <d2c/train/entangled_alignment_loss.hpp>
#include <d2c/train/gradient_clip.hpp>
#include <d2c/train/learning_rate.hpp>
#include <d2c/train/loss_log.hpp>
#include <d2c/train/mirror.hpp>
#include <d2c/train/muon_optimizer.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// What a training run needs beside its configuration.
struct FitOptions {
  std::uint64_t seed = 0;
  std::filesystem::path folder = {}; ///< for checkpoints and loss.csv; empty: nothing is written
  Progress* progress = nullptr;      ///< may be null
  std::string label = "training";
};

/// How a training run ended.
struct FitResult {
  std::int64_t steps = 0;   ///< updates behind the weights
  std::int64_t resumed = 0; ///< of which an earlier process had made
  double loss = 0;          ///< of the last update; NaN if all were made earlier
  double seconds = 0;       ///< of this call
  Tensor average;           ///< [count], averaged weights in the order of the parameter table
};

namespace detail {

/// Everything that fixes the bits of a run, one "key=value" a line.
template <class... Policies>
std::string training_recipe(const TrainingSet& set, const TrainConfig& config, std::uint64_t seed) {
  std::string recipe;
  ((recipe += "policy=" + std::string(Policies::name) + "\n"), ...);
  recipe += "seed=" + std::to_string(seed) + "\n";
  for_each_field(config, [&](std::string_view name, const auto& field) {
    if (name == "checkpoint_every" || name == "keep_checkpoints" || name == "log_every") {
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
  recipe += "images=" + std::to_string(set.size()) + "\n";
  recipe += "latents=" + hash(set.latents) + "\n";
  recipe += "labels=" + hash(set.labels) + "\n";
  return recipe;
}

/// Throws InputError if the set does not fit the network and what it is trained with.
inline void require_trainable(const TrainingSet& set, const NetworkShape& shape, bool text,
                              bool visual) {
  const auto refuse = [](const std::string& sentence) {
    throw InputError("training set: " + sentence);
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
/// (data_order.hpp), times, noise and dropped conditions of each visit, Objective::loss plus
/// align_weight times the Aligner's loss (and class_token_weight times the loss of the class token
/// for an aligner that entangles), backward, clipping by the global norm, optimizer, weight
/// average. The result is a function of (set, config, seed) and the library build: neither the
/// batch's make-up nor a resume changes it. With a folder, checkpoints and loss.csv are written
/// there and a killed run goes on from its newest checkpoint, to the same bits; a finished one is
/// loaded. Afterwards `network` holds the last weights and FitResult the averaged ones. Throws
/// InputError for a set or configuration that does not fit, Failure when the loss or the gradient
/// is no longer finite or a file cannot be written.
template <class Objective, class Aligner, class Conditioner, class Optimizer,
          class TimeDistribution, class Network>
FitResult fit(Network& network, const TrainingSet& given, const TrainConfig& config,
              const FitOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  Problems problems;
  check_train_config(config, problems);
  problems.raise();
  ParameterTable& parameters = network.parameters();
  const NetworkShape& shape = network.shape();
  const bool aligned = Aligner::aligns && config.align_weight > 0;
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
  FitResult result;
  result.loss = std::nan("");
  const bool writes = !options.folder.empty();
  const CheckpointFolder folder(options.folder);
  std::optional<LossLog> log;
  if (writes) {
    state.recipe =
        detail::training_recipe<Objective, Aligner, Conditioner, Optimizer, TimeDistribution>(
            given, config, options.seed);
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

  const Schedule schedule = parse_schedule(config.schedule);
  const std::int64_t* labels = set.labels.template const_data_ptr<std::int64_t>();
  const std::int64_t pixels = set.latents.numel() / set.size();
  DataOrder order(options.seed, set.size());
  // Reused by every step: by the time it is refilled, nothing of the last step's graph is left.
  Tensor host_noise = at::empty(
      {config.batch, set.latents.size(1), set.latents.size(2), set.latents.size(3)}, at::kFloat);
  Tensor host_uniforms = at::empty({config.batch}, at::kFloat);
  if (options.progress != nullptr) {
    options.progress->start(options.label, config.steps, "steps", state.step);
  }

  while (state.step < config.steps) {
    const std::vector<Visit> visits = order.batch(state.step, config.batch);
    std::vector<std::int64_t> images(visits.size());
    std::vector<std::int64_t> classes(visits.size());
    float* noise_out = host_noise.mutable_data_ptr<float>();
    float* uniforms_out = host_uniforms.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < visits.size(); ++i) {
      images[i] = visits[i].image;
      classes[i] = labels[visits[i].image];
    }
    parallel_ranges(config.batch, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const Visit& visit = visits[static_cast<std::size_t>(i)];
        const auto image = static_cast<std::uint32_t>(visit.image);
        uniforms_out[i] = TimeDistribution::draw(options.seed, visit.epoch, image);
        fill_normal({options.seed, Stream::noise, visit.epoch, image}, noise_out + i * pixels,
                    pixels);
      }
    });
    const DroppedLabels dropped = drop_conditions(options.seed, visits, classes, shape.classes,
                                                  config.class_dropout, config.text_dropout_joint);
    const auto to_device = [&](const std::vector<std::int64_t>& values) {
      return at::tensor(values, at::kLong).to(device);
    };
    Conditioning conditioning;
    conditioning.labels = to_device(Conditioner::uses_class ? dropped.labels : dropped.text_labels);
    if constexpr (Conditioner::uses_text) {
      conditioning.text_labels = to_device(dropped.text_labels);
    }

    const Tensor rows = to_device(images);
    const std::vector<std::int64_t> mirrored = mirrored_visits(options.seed, visits, config.flip);
    const Tensor x0 = mirror_images(set.latents.index_select(0, rows), mirrored);
    const Tensor noise = host_noise.to(device);
    const Tensor t = Objective::template time<Tensor>(host_uniforms.to(device));
    const Tensor x_t = Objective::template diffuse<Tensor>(x0, noise, t);
    const auto class_token = [&] {
      if constexpr (entangles<Aligner>()) {
        return class_token_batch<Objective>(set.class_tokens, options.seed, visits, rows, t);
      } else {
        return nullptr;
      }
    }();

    parameters.zero_gradients();
    double loss = 0;
    double denoise_loss = 0;
    double align_loss = 0;
    {
      const auto output = [&] {
        if constexpr (entangles<Aligner>()) {
          return network.forward(x_t, t, conditioning, aligned, class_token.noisy());
        } else {
          return network.forward(x_t, t, conditioning, aligned);
        }
      }();
      const Tensor denoise = Objective::template loss<std::decay_t<decltype(output)>, Tensor>(
                                 output, x0, noise, x_t, t)
                                 .mean();
      Tensor total = denoise;
      if constexpr (Aligner::aligns) {
        if (aligned) {
          const Tensor visual = mirror_tokens(set.visual_tokens.index_select(0, rows), mirrored,
                                              shape.width / shape.size.patch);
          const Tensor align = [&] {
            if constexpr (entangles<Aligner>()) {
              return alignment_loss(Aligner{}, output.projected, visual, class_token.clean());
            } else {
              return alignment_loss(Aligner{}, output.projected, visual);
            }
          }();
          align_loss = align.template item<double>();
          total = denoise + config.align_weight * align;
        }
      }
      if constexpr (entangles<Aligner>()) {
        total = total + config.class_token_weight * class_token.loss(output.class_token);
      }
      denoise_loss = denoise.template item<double>();
      loss = total.template item<double>();
      if (std::isfinite(loss)) {
        total.backward();
      }
    }

    const double factor = learning_rate_factor(schedule, state.step, config.steps, config.warmup,
                                               config.final_factor);
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
    update.ema_decay = ema_decay(config.ema, state.step, config.ema_warmup);
    optimizer.step(update, parameters, state.average);
    ++state.step;
    result.loss = loss;

    if (log && (state.step % config.log_every == 0 || state.step == config.steps)) {
      log->append(
          {state.step, loss, denoise_loss, align_loss, config.learning_rate * factor, norm});
    }
    if (writes && state.step < config.steps && state.step % config.checkpoint_every == 0) {
      log->sync();
      write_checkpoint(folder.step(state.step), state, false);
      folder.keep_newest(config.keep_checkpoints);
    }
    if (options.progress != nullptr) {
      char note[32];
      std::snprintf(note, sizeof note, "loss %.4f", loss);
      options.progress->advance(1, note);
    }
  }
  if (log) {
    log->sync();
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
