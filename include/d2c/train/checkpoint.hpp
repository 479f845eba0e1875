#pragma once
/// Writing and restoring the state of a training run as one safetensors file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/models/load_weights.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The state of a run after `step` updates, by reference: what a checkpoint saves and restores.
/// `recipe` is text that a resumed run must repeat word for word, one "key=value" a line.
struct TrainingState {
  std::int64_t step = 0;
  ParameterTable& parameters;
  Tensor average; ///< [count], the averaged weights in the table's order
  std::vector<std::pair<std::string, Tensor>> optimizer;
  Tensor text_tokens;  ///< [classes, L, W] or undefined: conditions are part of a denoiser
  Tensor text_mask;    ///< [classes, L]
  std::string network; ///< the shape as JSON
  std::string recipe;
  std::optional<Parametrisation> parametrisation = {}; ///< what the network was trained to predict
};

/// Writes tensors `model.NAME`, `ema.NAME` under the published names, `text.tokens`, `text.mask`,
/// and unless `final` the flat `optimizer.STATE`; metadata format, step, network, recipe,
/// parametrisation. The file appears whole or not at all. Throws Failure where it cannot be
/// written.
template <class = Once>
void write_checkpoint(const std::filesystem::path& path, const TrainingState& state, bool final) {
  std::vector<SafetensorsDeclaration> declarations;
  std::vector<Tensor> contents;
  const auto add = [&](const std::string& name, at::IntArrayRef shape, const Tensor& tensor) {
    declarations.push_back({name, DType::F32, shape.vec()});
    contents.push_back(tensor);
  };
  const std::pair<const char*, Tensor> buffers[] = {
      {"model.", state.parameters.values().cpu().to(at::kFloat)},
      {"ema.", state.average.cpu().to(at::kFloat)}};
  for (const auto& [prefix, flat] : buffers) {
    for (const ParameterEntry& entry : state.parameters.entries()) {
      add(prefix + entry.name, entry.shape,
          flat.narrow(0, state.parameters.offset(entry.name), entry.count()));
    }
  }
  if (!final) {
    for (const auto& [name, tensor] : state.optimizer) {
      add("optimizer." + name, tensor.sizes(), tensor.cpu());
    }
  }
  if (state.text_tokens.defined()) {
    add("text.tokens", state.text_tokens.sizes(), state.text_tokens.cpu().to(at::kFloat));
    add("text.mask", state.text_mask.sizes(), state.text_mask.cpu().to(at::kFloat));
  }
  std::map<std::string, std::string> metadata{{"format", "d2c-checkpoint-1"},
                                              {"step", std::to_string(state.step)},
                                              {"network", state.network},
                                              {"recipe", state.recipe}};
  if (state.parametrisation) {
    metadata["parametrisation"] = parametrisation_text(*state.parametrisation);
  }
  SafetensorsWriter writer(path, declarations, metadata);
  for (const Tensor& tensor : contents) {
    const Tensor whole = tensor.contiguous();
    writer.append({static_cast<const std::byte*>(whole.const_data_ptr()), whole.nbytes()});
  }
  writer.commit();
}
D2C_COMPILED_ONCE(void write_checkpoint<>(const std::filesystem::path&, const TrainingState&, bool))

namespace detail {

/// The first line in which two recipes differ, as "key=value" of each.
inline std::pair<std::string, std::string> first_difference(const std::string& expected,
                                                            const std::string& found) {
  const auto line = [](const std::string& text, std::size_t from) {
    return from < text.size() ? text.substr(from, text.find('\n', from) - from)
                              : std::string("nothing");
  };
  std::size_t a = 0;
  std::size_t b = 0;
  while (a < expected.size() && b < found.size() && line(expected, a) == line(found, b)) {
    a += line(expected, a).size() + 1;
    b += line(found, b).size() + 1;
  }
  return {line(expected, a), line(found, b)};
}

} // namespace detail

/// Restores `state` from a checkpoint of the same network and recipe and returns the updates behind
/// it. Without `optimizer` only weights and average (a final checkpoint has no more). Throws
/// InputError naming the file and the first difference; then nothing was changed but by a file that
/// lost tensors.
template <class = Once>
std::int64_t restore_checkpoint(const std::filesystem::path& path, TrainingState& state,
                                bool optimizer = true) {
  const WeightsFile file(path);
  const auto metadata = file.metadata();
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  const std::string where = path.string();
  if (text("format") != "d2c-checkpoint-1") {
    throw InputError(where +
                     ": expected a checkpoint of this library (format d2c-checkpoint-1), "
                     "found format \"" +
                     text("format") + "\"");
  }
  if (text("network") != state.network) {
    throw InputError(where + ": expected a network of shape " + state.network + ", found " +
                     text("network"));
  }
  if (text("recipe") != state.recipe) {
    const auto [expected, found] = detail::first_difference(state.recipe, text("recipe"));
    throw InputError(where + ": expected a checkpoint of the same training (" + expected +
                     "), found one with " + found + "; remove it to train from the start");
  }
  if (text("step").empty() || text("step").find_first_not_of("0123456789") != std::string::npos ||
      text("step").size() > 18) {
    throw InputError(where + ": expected a number as metadata \"step\", found \"" + text("step") +
                     "\"");
  }
  if (optimizer) {
    for (const auto& [name, tensor] : state.optimizer) {
      const std::string key = "optimizer." + name;
      if (!file.has(key) || file.shape(key) != tensor.sizes().vec()) {
        throw InputError(where + ": expected optimizer state \"" + key + "\" with " +
                         std::to_string(tensor.numel()) + " elements, found " +
                         (file.has(key) ? "another size" : "none"));
      }
    }
  }
  load_weights(file, state.parameters, "ema.");
  state.average.copy_(state.parameters.values());
  load_weights(file, state.parameters, "model.");
  if (optimizer) {
    for (const auto& [name, tensor] : state.optimizer) {
      tensor.copy_(file.read("optimizer." + name));
    }
  }
  return std::stoll(text("step"));
}
D2C_COMPILED_ONCE(std::int64_t restore_checkpoint<>(const std::filesystem::path&, TrainingState&,
                                                    bool))

} // namespace d2c
