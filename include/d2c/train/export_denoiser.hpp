#pragma once
/// Checkpoints of this library as PyTorch files that the published code loads: the networks of DiT,
/// SiT, REPA and REG.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/io/torch_checkpoint_writer.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/published_layout.hpp>
#include <d2c/train/published_weights_file.hpp>

namespace d2c {

/// The state dict of a denoiser for the code of a layout, under the published names. What each
/// class adds to the condition, by its embedding and by its prompt, becomes one row of the label
/// table, so a denoiser of text fits as well (class and prompt together; its null row is without
/// both). SiT's weights have time, and the sign of a velocity, reversed; the projector goes to REPA
/// alone.
[[nodiscard]] inline std::vector<std::pair<std::string, Tensor>>
published_state(const DiffusionTransformer& network, PublishedLayout layout, TargetKind target) {
  const at::NoGradGuard no_grad;
  const bool sit = layout == PublishedLayout::sit;
  std::vector<std::pair<std::string, Tensor>> state;
  state.emplace_back("y_embedder.embedding_table.weight", network.class_vectors());
  for (const ParameterEntry& entry : network.parameters().entries()) {
    const std::string& name = entry.name;
    if (name.starts_with("y_embedder.") ||
        (name.starts_with("projectors.") && layout != PublishedLayout::repa)) {
      continue;
    }
    Tensor value = network.parameters().value(name);
    if (sit && name == "t_embedder.mlp.0.weight") {
      value = with_reversed_time(value);
    } else if (sit && name.starts_with("final_layer.linear.") && target == TargetKind::velocity) {
      value = value.neg();
    }
    state.emplace_back(name, std::move(value));
  }
  return state;
}

/// The arguments with which the published code builds the network, by their names there.
inline TorchCheckpointDict published_arguments(const NetworkShape& shape, PublishedLayout layout) {
  const auto number = [](int value) { return TorchCheckpointEntry{std::int64_t{value}}; };
  TorchCheckpointDict arguments = {{"input_size", number(shape.height)},
                                   {"patch_size", number(shape.size.patch)},
                                   {"in_channels", number(shape.channels)},
                                   {"hidden_size", number(shape.size.width)},
                                   {"depth", number(shape.size.depth)},
                                   {"num_heads", number(shape.size.heads)},
                                   {"mlp_ratio", {static_cast<double>(shape.size.mlp_ratio)}},
                                   {"class_dropout_prob", {0.1}},
                                   {"num_classes", number(shape.classes)}};
  if (layout != PublishedLayout::repa) {
    arguments.push_back({"learn_sigma", {shape.learn_sigma}});
    return arguments;
  }
  const bool projects = shape.align_depth > 0;
  arguments.push_back({"decoder_hidden_size", number(shape.size.width)});
  arguments.push_back(
      {"encoder_depth", number(projects ? shape.align_depth : std::min(8, shape.size.depth))});
  arguments.push_back(
      {"z_dims",
       {projects ? std::vector<std::int64_t>{shape.align_width} : std::vector<std::int64_t>{}}});
  arguments.push_back({"projector_dim", number(shape.align_hidden)});
  arguments.push_back({"qk_norm", {false}});
  arguments.push_back({"fused_attn", {true}});
  if (shape.class_token_width > 0) {
    arguments.push_back({"cls_token_dim", number(shape.class_token_width)});
  }
  return arguments;
}

/// Writes the denoiser of `checkpoint` (as training leaves it) into `folder`, once for each
/// published code that can hold it: `dit.pt`, or `sit.pt` and `repa.pt`, or `reg.pt` with a class
/// token. Each is {"model", "ema", "args", "steps"} as those programs save; `args` are the
/// arguments of the network. Returns the files. Throws InputError where no published code holds the
/// denoiser, Failure where a file cannot be written.
template <class = Once>
std::vector<std::filesystem::path> export_denoiser(const std::filesystem::path& checkpoint,
                                                   const std::filesystem::path& folder) {
  const TrainedDenoiser averaged = load_denoiser(checkpoint, at::kCPU);
  const TrainedDenoiser last = load_denoiser(checkpoint, at::kCPU, false);
  const NetworkShape& shape = averaged->shape();
  const auto metadata = WeightsFile(checkpoint).metadata();
  const auto step = metadata.find("step");
  std::int64_t steps = 0;
  if (step != metadata.end()) {
    std::from_chars(step->second.data(), step->second.data() + step->second.size(), steps);
  }
  std::error_code reason;
  std::filesystem::create_directories(folder, reason);
  if (reason) {
    throw Failure("cannot create the folder " + folder.string() + ": " + reason.message());
  }
  std::vector<std::filesystem::path> files;
  for (const PublishedLayout layout :
       {PublishedLayout::dit, PublishedLayout::sit, PublishedLayout::repa}) {
    if (!layout_holds(layout, shape, averaged.parametrisation)) {
      continue;
    }
    std::vector<Tensor> alive;
    const auto state_of = [&](const TrainedDenoiser& denoiser) {
      TorchCheckpointDict dict;
      for (const auto& [name, tensor] :
           published_state(*denoiser, layout, denoiser.parametrisation.target)) {
        const Tensor flat = tensor.contiguous();
        alive.push_back(flat);
        dict.push_back(
            {name,
             {TorchCheckpointTensor{
                 dtype_of(flat.scalar_type()),
                 flat.sizes().vec(),
                 {static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()}}}});
      }
      return dict;
    };
    const std::string name = shape.class_token_width > 0 ? "reg" : std::string(option_name(layout));
    files.push_back(folder / (name + ".pt"));
    write_torch_checkpoint(files.back(), {{"model", {state_of(last)}},
                                          {"ema", {state_of(averaged)}},
                                          {"args", {published_arguments(shape, layout)}},
                                          {"steps", {steps}}});
  }
  if (files.empty()) {
    throw InputError(checkpoint.string() +
                     ": expected a denoiser that DiT's, SiT's or REPA's code can hold (square, of "
                     "a class, with a target that its sampler reads), found one that predicts " +
                     parametrisation_text(averaged.parametrisation) + " of " +
                     std::to_string(shape.height) + " x " + std::to_string(shape.width));
  }
  return files;
}
D2C_COMPILED_ONCE(std::vector<std::filesystem::path> export_denoiser<>(
    const std::filesystem::path&, const std::filesystem::path&))

} // namespace d2c
