#pragma once
/// The body of the stage Pretrained: from a file of trained weights to a checkpoint as training
/// leaves it.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/denoiser_shape.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/pretrained.hpp>
#include <d2c/train/pretrained_config.hpp>
#include <d2c/train/published_layout.hpp>
#include <d2c/train/published_weights_file.hpp>

namespace d2c {

namespace detail {

/// The network whose weights [pretrained] names, with them, on the CPU; without `with_values` none,
/// after names and shapes are compared. Its shape is that of the types and the data set; a file
/// says alone whether there is a class token, and a checkpoint of this library its text and
/// projector too.
template <class Stage>
std::unique_ptr<DiffusionTransformer>
pretrained_network(const PretrainedConfig& config, const ExperimentFacts& facts, bool with_values) {
  using Objective = typename Stage::objective;
  const auto file =
      weights_for<Objective>(config.weights, {config.weights_part, config.weights_layout});
  const std::filesystem::path& path = file.path();
  NetworkShape shape = scorer_shape<typename Stage::model, Objective>(facts);
  if (file.is_own()) {
    const bool ema = config.weights_part == "ema";
    const NetworkShape found = described_denoiser(WeightsFile(path), ema).shape;
    const auto text = [](const NetworkShape& s) {
      return network_shape_to_json({.family = s.family,
                                    .size = s.size,
                                    .channels = s.channels,
                                    .height = s.height,
                                    .width = s.width,
                                    .classes = s.classes,
                                    .learn_sigma = s.learn_sigma});
    };
    if (text(found) != text(shape)) {
      throw InputError(path.string() + ": expected a network of shape " + text(shape) + ", found " +
                       text(found));
    }
    return with_values ? load_denoiser(path, at::kCPU, ema).network : nullptr;
  }
  if (!shape.learn_sigma) { // else a class token cannot be, and its tensors are unexpected
    shape.class_token_width = file.class_token_width();
  }
  file.require_fits(shape);
  if (!with_values) {
    return nullptr;
  }
  auto network = std::make_unique<DiffusionTransformer>(shape, at::kCPU, std::nullopt);
  file.load_into(network->parameters(), shape, Objective::parametrisation.target);
  return network;
}

} // namespace detail

/// Problems that can be seen before anything runs: words of [pretrained], and weights that are not
/// there or do not fit the network.
template <class... Policies>
void check_stage(const Pretrained<Policies...>&, const StageContext& context, Problems& problems) {
  const auto& config = context.section<PretrainedConfig>();
  check_published_choice({config.weights_part, config.weights_layout}, "pretrained.weights",
                         problems);
  if (!check_denoiser_file("pretrained.weights", config.weights, problems)) {
    return;
  }
  problems.check("pretrained.weights", [&] {
    detail::pretrained_network<Pretrained<Policies...>>(config, context.facts, false);
  });
}

/// Writes the weights as final.safetensors, averaged and last ones alike. Throws InputError where
/// they do not fit, Failure where they cannot be written.
template <class... Policies>
void run_stage(const Pretrained<Policies...>&, StageContext& context) {
  using Stage = Pretrained<Policies...>;
  const auto& config = context.section<PretrainedConfig>();
  const auto network = detail::pretrained_network<Stage>(config, context.facts, true);
  TrainingState state{.parameters = network->parameters(),
                      .average = network->parameters().values(),
                      .optimizer = {},
                      .text_tokens = {},
                      .text_mask = {},
                      .network = network_shape_to_json(network->shape()),
                      .recipe = "pretrained\n",
                      .parametrisation = Stage::objective::parametrisation};
  if (network->shape().text_embedding) {
    const WeightsFile file(denoiser_file(config.weights));
    state.text_tokens = file.read("text.tokens");
    state.text_mask = file.read("text.mask");
  }
  write_checkpoint(context.out / denoiser_file_name, state, true);
}

} // namespace d2c
