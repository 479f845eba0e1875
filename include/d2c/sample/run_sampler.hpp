#pragma once
/// The body of the stage Sampler: class-balanced images from a trained denoiser, as safetensors, as
/// .npz for the ADM evaluator, and as a picture.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/png.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/sample/check_sample_config.hpp>
#include <d2c/sample/draw_samples.hpp>
#include <d2c/sample/guided_prediction.hpp>
#include <d2c/sample/joint_state.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/sample/sampler.hpp>
#include <d2c/sample/samples_npz.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/load_denoiser.hpp>

namespace d2c {

namespace detail {

/// Throws InputError, naming the guide's file, unless it denoises the same latents of as many
/// classes along the same path to the same target.
inline void require_guide_fits(const TrainedDenoiser& guide, const TrainedDenoiser& denoiser,
                               const std::filesystem::path& file) {
  const auto text = [](const TrainedDenoiser& trained) {
    const NetworkShape& shape = trained->shape();
    return parametrisation_text(trained.parametrisation) + " of " + std::to_string(shape.channels) +
           "x" + std::to_string(shape.height) + "x" + std::to_string(shape.width) + " with " +
           std::to_string(shape.classes) + " classes" +
           (shape.class_token_width > 0
                ? " and a class token of width " + std::to_string(shape.class_token_width)
                : "");
  };
  if (text(guide) != text(denoiser)) {
    throw InputError(file.string() + ": expected a guiding denoiser that predicts " +
                     text(denoiser) + ", found " + text(guide));
  }
}

} // namespace detail

/// Problems that can be seen before anything runs: what the method and guidance refuse, and a
/// guiding denoiser that is not there or is none.
template <class... Policies>
void check_stage(const Sampler<Policies...>&, const StageContext& context, Problems& problems) {
  const auto& config = context.section<SampleConfig>();
  check_sample_config<typename Sampler<Policies...>::method>(config, problems);
  if (!config.guide_checkpoint.empty() && is_file(denoiser_file(config.guide_checkpoint))) {
    problems.check("sample.guide_checkpoint", [&] {
      described_denoiser(WeightsFile(denoiser_file(config.guide_checkpoint)));
    });
  }
}

/// Draws [sample] images_per_class images of every class with the averaged weights of the trained
/// denoiser and writes samples.safetensors (images U8 [n, C, H, W], labels I64 [n], and
/// network_calls I64 [n], how often networks were asked about each image), samples.npz (arr_0 uint8
/// [n, H, W, 3], grey repeated, arr_1 labels: the layout ADM's evaluator reads) and grid.png (a row
/// per class, of more than 20 classes 20 evenly chosen ones). Resumable batch by batch. InputError
/// for a denoiser whose path the method does not follow, whose conditions guidance cannot part, or
/// that the guiding denoiser does not fit; otherwise as its parts.
template <class... Policies>
void run_stage(const Sampler<Policies...>&, StageContext& context) {
  using Method = typename Sampler<Policies...>::method;
  const auto& config = context.section<SampleConfig>();
  const std::filesystem::path weights =
      context.artifacts.template at<Denoiser>() / denoiser_file_name;
  const at::Device device = device_from(context.device);
  const auto denoiser = load_denoiser(weights, device);
  const NetworkShape& shape = denoiser->shape();
  if (const std::string refusal =
          Method::refusal(sampling_options(config), denoiser.parametrisation);
      !refusal.empty()) {
    throw InputError(weights.string() + ": " + refusal);
  }

  const Guidance guidance = guidance_of(config);
  if (guidance.null != GuidanceNull::joint && !(shape.class_embedding && shape.text_embedding)) {
    throw InputError(weights.string() + ": the guidance null \"" +
                     std::string(option_name(guidance.null)) +
                     "\" needs a denoiser of class and text, found one of " +
                     (shape.text_embedding ? "text alone" : "no text"));
  }
  if (guidance.class_token_scale > 0 && shape.class_token_width == 0) {
    throw InputError(weights.string() +
                     ": sample.guidance_class_token needs a denoiser with a class token, found one "
                     "without");
  }
  std::optional<TrainedDenoiser> weak;
  if (!config.guide_checkpoint.empty()) {
    const std::filesystem::path guide = denoiser_file(config.guide_checkpoint);
    weak = load_denoiser(guide, device);
    detail::require_guide_fits(*weak, denoiser, guide);
  }

  const auto asking = [](const TrainedDenoiser& trained) {
    return [&trained](const Tensor& x, const Tensor& t, const Tensor& labels,
                      const Tensor& text_labels) {
      return forward_states(*trained, x, t, Conditioning{labels, text_labels});
    };
  };
  const SampleSet set{.classes = shape.classes,
                      .shape = {shape.channels, shape.height, shape.width},
                      .seed = context.seed,
                      .device = device,
                      .parametrisation = denoiser.parametrisation,
                      .class_token_width = shape.class_token_width};
  const auto draw = [&](auto&& guide) {
    return draw_samples<Method>(asking(denoiser), set, config, context.codec, context.out,
                                context.progress, guide);
  };
  const Tensor images = weak ? draw(asking(*weak)) : draw(NoGuide{});
  const std::int64_t n = images.size(0);
  const Tensor labels = at::arange(n, at::kLong).remainder(set.classes);
  write_samples_npz(context.out / "samples.npz", images, labels);

  constexpr std::int64_t most_rows = 20;
  const std::int64_t rows = std::min(set.classes, most_rows);
  const std::int64_t columns = std::min(config.grid_per_class, config.images_per_class);
  ContactSheet sheet{static_cast<int>(rows), static_cast<int>(columns),
                     static_cast<int>(images.size(1)), static_cast<int>(images.size(2)),
                     static_cast<int>(images.size(3))};
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t label = row * set.classes / rows;
    for (std::int64_t column = 0; column < columns; ++column) {
      sheet.place(static_cast<int>(row), static_cast<int>(column),
                  images.const_data_ptr<std::uint8_t>() +
                      (column * set.classes + label) * (images.numel() / n));
    }
  }
  write_png(context.out / "grid.png", sheet.pixels(), sheet.width(), sheet.height(),
            sheet.channels());
  std::error_code ignored; // parts that stay cost space and nothing else
  std::filesystem::remove_all(context.out / "parts", ignored);
}

} // namespace d2c
