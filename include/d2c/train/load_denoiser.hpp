#pragma once
/// A trained denoiser from a checkpoint of this library.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/load_weights.hpp>
#include <d2c/models/network_shape_json.hpp>
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

/// Builds the network that `path` (step-*.safetensors or final.safetensors) describes, on `device`,
/// with its averaged weights or the last ones, and with the prompts it was trained on. A checkpoint
/// that does not name its parametrisation has that of its family. Throws InputError for another
/// file, and listing every tensor that is missing or does not fit.
template <class = Once>
TrainedDenoiser load_denoiser(const std::filesystem::path& path, at::Device device,
                              bool use_ema = true) {
  const WeightsFile file(path);
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
  auto denoiser = std::make_unique<DiffusionTransformer>(shape, device, 0);
  load_weights(file, denoiser->parameters(), use_ema ? "ema." : "model.");
  if (shape.text_embedding) {
    for (const char* name : {"text.tokens", "text.mask"}) {
      if (!file.has(name)) {
        throw InputError(path.string() + ": expected the prompts of this network as \"" + name +
                         "\", found none");
      }
    }
    denoiser->set_text_table(file.read("text.tokens"), file.read("text.mask"));
  }
  return {std::move(denoiser), parametrisation};
}
D2C_COMPILED_ONCE(TrainedDenoiser load_denoiser<>(const std::filesystem::path&, at::Device, bool))

} // namespace d2c
