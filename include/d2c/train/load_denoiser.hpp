#pragma once
/// A trained denoiser from a checkpoint of this library.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/load_weights.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A trained network and what it was trained to predict.
struct TrainedDenoiser {
  std::unique_ptr<DiffusionTransformer> network;
  Parametrisation parametrisation;

  DiffusionTransformer* operator->() const { return network.get(); }

  DiffusionTransformer& operator*() const { return *network; }
};

/// What a checkpoint says of its denoiser beside the weights.
struct DenoiserDescription {
  NetworkShape shape;
  Parametrisation parametrisation;
};

namespace detail {

/// Where the averaged weights of a checkpoint lie, or the last ones.
inline const char* weights_prefix(bool use_ema) {
  return use_ema ? "ema." : "model.";
}

} // namespace detail

/// Reads what a checkpoint (step-*.safetensors or final.safetensors) says of its denoiser, and
/// compares it with names and shapes of the tensors that load_denoiser reads. Nothing of the
/// network's size is made: what a file says must not cost more than what it holds. A checkpoint
/// that does not name its parametrisation has that of its family. Throws InputError for another
/// file, and listing every tensor that is missing or does not fit.
template <class = Once>
DenoiserDescription described_denoiser(const WeightsFile& file, bool use_ema = true) {
  const std::filesystem::path& path = file.path();
  const auto metadata = file.metadata();
  const auto format = metadata.find("format");
  const auto network = metadata.find("network");
  if (format == metadata.end() || format->second != "d2c-checkpoint-1" ||
      network == metadata.end()) {
    throw InputError(path.string() +
                     ": expected a checkpoint of this library (format d2c-checkpoint-1), found " +
                     (format == metadata.end() ? "none" : "format \"" + format->second + "\""));
  }
  const NetworkShape shape = network_shape_from_json(network->second, path.string());
  Parametrisation parametrisation = default_parametrisation(shape.family);
  if (const auto entry = metadata.find("parametrisation"); entry != metadata.end()) {
    const auto known = parametrisation_from_text(entry->second);
    if (!known) {
      throw InputError(
          path.string() +
          ": expected a path and a target as metadata \"parametrisation\", such as \"" +
          parametrisation_text(parametrisation) + "\", found \"" + entry->second + "\"");
    }
    parametrisation = *known;
  }
  if (shape.size.depth > static_cast<std::int64_t>(file.names().size())) {
    throw InputError(path.string() + ": expected at most as many blocks as the " +
                     std::to_string(file.names().size()) +
                     " tensors of the file, found a depth of " + std::to_string(shape.size.depth));
  }
  std::vector<ParameterEntry> entries;
  try {
    entries = parameter_list(shape);
  } catch (const InputError& error) {
    throw InputError(path.string() + ": " + error.what());
  }
  require_weights(file, entries, detail::weights_prefix(use_ema));
  if (shape.text_embedding) {
    require_weights(file,
                    {{"tokens", {shape.classes, shape.text_tokens, shape.text_width}},
                     {"mask", {shape.classes, shape.text_tokens}}},
                    "text.");
  }
  return {shape, parametrisation};
}
D2C_COMPILED_ONCE(DenoiserDescription described_denoiser<>(const WeightsFile&, bool))

/// Builds the network that `path` describes, on `device`, with its averaged weights or the last
/// ones, and with the prompts it was trained on. Errors as described_denoiser.
template <class = Once>
TrainedDenoiser load_denoiser(const std::filesystem::path& path, at::Device device,
                              bool use_ema = true) {
  const WeightsFile file(path);
  const auto [shape, parametrisation] = described_denoiser(file, use_ema);
  auto denoiser = std::make_unique<DiffusionTransformer>(shape, device, std::nullopt);
  load_weights(file, denoiser->parameters(), detail::weights_prefix(use_ema));
  if (shape.text_embedding) {
    denoiser->set_text_table(file.read("text.tokens"), file.read("text.mask"));
  }
  return {std::move(denoiser), parametrisation};
}
D2C_COMPILED_ONCE(TrainedDenoiser load_denoiser<>(const std::filesystem::path&, at::Device, bool))

} // namespace d2c
