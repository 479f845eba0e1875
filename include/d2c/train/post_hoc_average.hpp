#pragma once
/// Pairs of weight averages stored during a training, and the average of any width made from them
/// afterwards (Karras et al. 2024).

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/checkpoint_folder.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/power_average.hpp>

namespace d2c {

/// Two averages [count] after `step` updates, with the exponents of their profiles.
struct AveragePair {
  std::int64_t step = 0;
  std::array<double, 2> gammas{};
  std::array<Tensor, 2> averages;
  std::string network; ///< the shape as JSON
};

/// Writes the pair as `ema.NAME` and `second.NAME` under the parameters' published names. The file
/// appears whole or not at all. Throws Failure where it cannot be written.
template <class = Once>
void write_average_pair(const std::filesystem::path& path, const ParameterTable& parameters,
                        const AveragePair& pair) {
  std::vector<SafetensorsDeclaration> declarations;
  std::vector<Tensor> contents;
  const char* const prefixes[] = {"ema.", "second."};
  for (std::size_t k = 0; k < 2; ++k) {
    const Tensor flat = pair.averages[k].cpu().to(at::kFloat);
    for (const ParameterEntry& entry : parameters.entries()) {
      declarations.push_back({prefixes[k] + entry.name, DType::F32, entry.shape});
      contents.push_back(flat.narrow(0, parameters.offset(entry.name), entry.count()));
    }
  }
  const auto digits = [](double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    return std::string(text);
  };
  SafetensorsWriter writer(path, declarations,
                           {{"format", "d2c-averages-1"},
                            {"step", std::to_string(pair.step)},
                            {"gamma", digits(pair.gammas[0])},
                            {"second_gamma", digits(pair.gammas[1])},
                            {"network", pair.network}});
  for (const Tensor& tensor : contents) {
    writer.append({static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  writer.commit();
}
D2C_COMPILED_ONCE(void write_average_pair<>(const std::filesystem::path&, const ParameterTable&,
                                            const AveragePair&))

/// The average of width `sigma_rel` after `step` updates (0: the last stored), [count] in the order
/// of `parameters`, from the pairs stored in `folder` up to then. The more pairs, the closer; a
/// width between the two stored ones is met best. Throws InputError naming the folder or file where
/// none is stored, or one of another network.
template <class = Once>
Tensor post_hoc_average(const std::filesystem::path& folder, const ParameterTable& parameters,
                        const std::string& network, double sigma_rel, std::int64_t step = 0) {
  std::vector<std::int64_t> steps = CheckpointFolder(folder).averages();
  if (step > 0) {
    std::erase_if(steps, [step](std::int64_t stored) { return stored > step; });
  }
  if (steps.empty() || (step > 0 && steps.back() != step)) {
    throw InputError(folder.string() + ": expected averages stored with train.ema_profile = " +
                     "\"power\"" + (step > 0 ? " after " + std::to_string(step) + " updates" : "") +
                     ", found " + (steps.empty() ? "none" : "earlier ones alone"));
  }
  std::vector<PowerProfile> profiles;
  for (const std::int64_t stored : steps) {
    const std::filesystem::path path = CheckpointFolder(folder).average(stored);
    const auto metadata = WeightsFile(path).metadata();
    const auto text = [&](const char* key) {
      const auto found = metadata.find(key);
      return found == metadata.end() ? std::string() : found->second;
    };
    if (text("format") != "d2c-averages-1" || text("network") != network) {
      throw InputError(path.string() + ": expected averages (format d2c-averages-1) of a network " +
                       "of shape " + network + ", found format \"" + text("format") + "\", shape " +
                       text("network"));
    }
    for (const char* key : {"gamma", "second_gamma"}) {
      profiles.push_back({std::strtod(text(key).c_str(), nullptr), static_cast<double>(stored)});
    }
  }
  const std::vector<double> weights = post_hoc_weights(
      profiles, {gamma_of_sigma_rel(sigma_rel), static_cast<double>(steps.back())});
  // The weights alternate in sign and can be large: the sum is taken in double.
  Tensor sum = at::zeros({parameters.values().numel()}, at::kDouble);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const WeightsFile file(CheckpointFolder(folder).average(steps[i]));
    for (const ParameterEntry& entry : parameters.entries()) {
      Tensor part = sum.narrow(0, parameters.offset(entry.name), entry.count());
      part.add_(file.read("ema." + entry.name).flatten(), weights[2 * i]);
      part.add_(file.read("second." + entry.name).flatten(), weights[2 * i + 1]);
    }
  }
  return sum.to(at::kFloat);
}
D2C_COMPILED_ONCE(Tensor post_hoc_average<>(const std::filesystem::path&, const ParameterTable&,
                                            const std::string&, double, std::int64_t))

/// The trained network of a finished run (`folder` holds final.safetensors) with the average of
/// width `sigma_rel` at the end of the training. Throws as load_denoiser and post_hoc_average do.
inline TrainedDenoiser load_post_hoc_denoiser(const std::filesystem::path& folder,
                                              at::Device device, double sigma_rel) {
  TrainedDenoiser denoiser = load_denoiser(CheckpointFolder(folder).final(), device);
  ParameterTable& parameters = denoiser->parameters();
  parameters.values().copy_(
      post_hoc_average(folder, parameters, network_shape_to_json(denoiser->shape()), sigma_rel));
  return denoiser;
}

} // namespace d2c
