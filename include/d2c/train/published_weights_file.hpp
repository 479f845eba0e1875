#pragma once
/// A published diffusion transformer's weights, checked against a network and loaded into it.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/weight_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/ops/timestep_features.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/published_layout.hpp>

namespace d2c {

/// The first layer of the time embedder, [D, 256], for the other direction of time: the layer that
/// gives at t what this one gives at 1 - t. Exact up to rounding, as cos(f - f t) and sin(f - f t)
/// are sums of cos(f t) and sin(f t); applying it twice gives the layer back.
[[nodiscard]] inline Tensor with_reversed_time(const Tensor& weight) {
  const Tensor one = timestep_features(at::ones({1})).to(at::kDouble).squeeze(0);
  const std::int64_t half = weight.size(1) / 2;
  const Tensor cosine = one.narrow(0, 0, half);
  const Tensor sine = one.narrow(0, half, half);
  const Tensor wide = weight.to(at::kDouble);
  const Tensor of_cosine = wide.narrow(1, 0, half);
  const Tensor of_sine = wide.narrow(1, half, half);
  return at::cat({of_cosine * cosine + of_sine * sine, of_cosine * sine - of_sine * cosine}, 1)
      .to(weight.scalar_type());
}

/// A file with the weights of a diffusion transformer: a flat state dict, or a training checkpoint
/// {"model", "ema", ...}, in any format that WeightsFile reads. `module.` of
/// DistributedDataParallel and `_orig_mod.` of torch.compile in front of all names are dropped, and
/// REPA's earlier `decoder_blocks.j` are the blocks behind the others. Also a checkpoint of this
/// library.
class PublishedWeightsFile {
public:
  /// Opens the file. Throws InputError where it cannot be read, holds the other part alone, or has
  /// two names for one tensor.
  PublishedWeightsFile(const std::filesystem::path& path, PublishedChoice choice)
      : file_{path}, choice_{std::move(choice)} {
    const auto metadata = file_.metadata();
    const auto format = metadata.find("format");
    own_ = format != metadata.end() && format->second == "d2c-checkpoint-1";
    const bool ema = holds("ema.");
    const bool model = holds("model.");
    std::string prefix;
    if (ema || model) {
      prefix = choice_.part + ".";
      if (!holds(prefix)) {
        throw InputError(path.string() + ": expected weights under \"" + choice_.part +
                         "\", found them under \"" + (ema ? "ema" : "model") + "\" alone");
      }
    }
    for (const std::string& name : file_.names()) {
      if (name.starts_with(prefix)) {
        stored_.emplace(name.substr(prefix.size()), name);
      }
    }
    for (const auto& [name, kind] : file_.unreadable()) {
      if (name.starts_with(prefix)) {
        unreadable_.emplace(name.substr(prefix.size()), kind);
      }
    }
    while (drop_everywhere("module.") || drop_everywhere("_orig_mod.")) {
    }
    rename_decoder_blocks();
  }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

  /// Whether training in this library wrote the file.
  [[nodiscard]] bool is_own() const { return own_; }

  /// Shapes by published name.
  [[nodiscard]] std::map<std::string, StoredShape> tensors() const {
    std::map<std::string, StoredShape> all;
    for (const auto& [name, stored] : stored_) {
      all.emplace(name, StoredShape{file_.shape(stored), file_.dtype(stored)});
    }
    return all;
  }

  /// Whether a name begins so.
  [[nodiscard]] bool has_part(std::string_view beginning) const {
    const auto at = stored_.lower_bound(beginning);
    return at != stored_.end() && at->first.starts_with(beginning);
  }

  /// The width of REG's class token; 0 for networks without, and for more than a shape can say.
  [[nodiscard]] int class_token_width() const {
    const auto at = stored_.find("cls_projectors2.weight");
    if (at == stored_.end() || file_.shape(at->second).size() != 2) {
      return 0;
    }
    const std::int64_t width = file_.shape(at->second).back();
    return width <= std::numeric_limits<int>::max() ? static_cast<int>(width) : 0;
  }

  /// Throws InputError for a checkpoint of this library that was trained to predict something else
  /// than `objective` says. Published files do not tell.
  void require_predicts(const Parametrisation& predicted, std::string_view objective) const {
    const auto metadata = file_.metadata();
    const auto recorded = metadata.find("parametrisation");
    const std::string expected = parametrisation_text(predicted);
    if (recorded != metadata.end() && recorded->second != expected) {
      throw InputError(path().string() + ": expected a network trained for " +
                       std::string(objective) + " (" + expected + "), found one of \"" +
                       recorded->second + "\"");
    }
  }

  /// Whose code the file is for, of a network of this shape. Throws InputError where the file does
  /// not tell: SiT's and REPA's networks differ in the direction of time alone, and count as SiT's
  /// with a head for variances, as REPA's with a projector or class token.
  [[nodiscard]] PublishedLayout layout(const NetworkShape& shape) const {
    if (const auto given = option_from_name<PublishedLayout>(choice_.layout)) {
      if (own_) {
        throw InputError(path().string() +
                         ": expected the layout \"auto\" for a checkpoint of "
                         "this library, found \"" +
                         choice_.layout + "\"");
      }
      if ((*given == PublishedLayout::dit) != (shape.family == Family::dit)) {
        throw InputError(
            path().string() + ": expected the layout " +
            (shape.family == Family::dit ? "\"dit\" for a DiT" : "\"sit\" or \"repa\" for a SiT") +
            ", found \"" + choice_.layout + "\"");
      }
      return *given;
    }
    if (shape.family == Family::dit) {
      return PublishedLayout::dit;
    }
    if (own_ || has_part("projectors.") || has_part("cls_projectors2.") || had_decoder_blocks_) {
      return PublishedLayout::repa;
    }
    if (has_variances(shape)) {
      return PublishedLayout::sit;
    }
    throw InputError(
        path().string() +
        ": expected a layout, \"sit\" (time runs from noise to data) or \"repa\" (from "
        "data to noise), since this file does not tell whose network it holds");
  }

  /// What keeps the file from a network of this shape, as one InputError with every tensor that is
  /// missing, unexpected, or of another shape or type. Not read: a projector where the network has
  /// none, and the variances of SiT's own networks, whose code drops them too. With `beginning`,
  /// parts that no published file or not this file has may stay as they are: the whole text branch,
  /// and the whole projector.
  void require_fits(const NetworkShape& shape, bool beginning = false) const {
    const bool sit = layout(shape) == PublishedLayout::sit;
    std::map<std::string, std::vector<std::int64_t>> expected;
    for (const ParameterEntry& entry : parameter_list(shape)) {
      if (!stays(entry.name, beginning)) {
        expected.emplace(entry.name, entry.shape);
      }
    }
    std::map<std::string, StoredShape> found = tensors();
    if (shape.align_depth == 0) {
      std::erase_if(found,
                    [](const auto& entry) { return entry.first.starts_with("projectors."); });
    }
    if (sit && has_variances(shape)) {
      for (const char* name : {"final_layer.linear.weight", "final_layer.linear.bias"}) {
        expected.at(name).front() *= 2;
      }
    }
    if (const std::string wrong = weight_differences(expected, found, unreadable_);
        !wrong.empty()) {
      throw InputError(path().string() + ": expected the weights of this network, found: " + wrong);
    }
  }

  /// Copies the weights into `parameters`, the table of a network of this shape that predicts
  /// `target`: those of SiT's code with time, and the sign of a velocity, reversed. All or nothing;
  /// errors as require_fits.
  void load_into(ParameterTable& parameters, const NetworkShape& shape, TargetKind target,
                 bool beginning = false) const {
    require_fits(shape, beginning);
    const bool sit = layout(shape) == PublishedLayout::sit;
    const at::NoGradGuard no_grad;
    for (const ParameterEntry& entry : parameters.entries()) {
      if (stays(entry.name, beginning)) {
        continue;
      }
      const std::string& stored = stored_.find(entry.name)->second;
      const Tensor& value = parameters.value(entry.name);
      if (sit && entry.name == "t_embedder.mlp.0.weight") {
        value.copy_(with_reversed_time(file_.read(stored).to(at::kFloat)));
      } else if (sit && entry.name.starts_with("final_layer.linear.")) {
        Tensor head = file_.read(stored);
        if (has_variances(shape)) {
          // Of every place in a patch: the channels, then their variances.
          const std::int64_t places = std::int64_t{shape.size.patch} * shape.size.patch;
          head = head.unflatten(0, {places, 2 * shape.channels})
                     .narrow(1, 0, shape.channels)
                     .flatten(0, 1);
        }
        value.copy_(target == TargetKind::velocity ? head.neg() : head);
      } else {
        file_.read_into(stored, value);
      }
    }
  }

private:
  [[nodiscard]] bool holds(std::string_view beginning) const {
    return std::any_of(file_.names().begin(), file_.names().end(),
                       [&](const std::string& name) { return name.starts_with(beginning); });
  }

  [[nodiscard]] bool stays(const std::string& name, bool beginning) const {
    return beginning && ((name.starts_with("projectors.") && !has_part("projectors.")) ||
                         (name.starts_with("y_embedder.text_") && !has_part("y_embedder.text_")));
  }

  /// Whether the head has twice the rows that a network of this shape has without variances.
  [[nodiscard]] bool has_variances(const NetworkShape& shape) const {
    const auto at = stored_.find("final_layer.linear.bias");
    const std::int64_t rows = std::int64_t{shape.size.patch} * shape.size.patch * shape.channels;
    return !shape.learn_sigma && at != stored_.end() &&
           file_.shape(at->second) == std::vector<std::int64_t>{2 * rows};
  }

  bool drop_everywhere(std::string_view beginning) {
    if (stored_.empty() || !std::all_of(stored_.begin(), stored_.end(), [&](const auto& entry) {
          return entry.first.starts_with(beginning);
        })) {
      return false;
    }
    const auto shorten = [&](Names& names) {
      Names shorter;
      for (auto& [name, what] : names) {
        shorter.emplace(name.starts_with(beginning) ? name.substr(beginning.size()) : name,
                        std::move(what));
      }
      names = std::move(shorter);
    };
    shorten(stored_);
    shorten(unreadable_);
    return true;
  }

  /// The number behind `beginning` in a name, and the rest.
  static std::optional<std::pair<int, std::string>> numbered(const std::string& name,
                                                             std::string_view beginning) {
    if (!name.starts_with(beginning)) {
      return std::nullopt;
    }
    const char* const end = name.data() + name.size();
    int number = 0;
    const auto [rest, error] = std::from_chars(name.data() + beginning.size(), end, number);
    if (error != std::errc() || rest == end || *rest != '.' || number < 0 || number > 9999) {
      return std::nullopt;
    }
    return std::pair{number, std::string(rest, end)};
  }

  void rename_decoder_blocks() {
    int depth = 0;
    for (const auto& [name, stored] : stored_) {
      if (const auto block = numbered(name, "blocks.")) {
        depth = std::max(depth, block->first + 1);
      }
    }
    Names renamed;
    for (auto& [name, stored] : stored_) {
      const auto block = numbered(name, "decoder_blocks.");
      had_decoder_blocks_ = had_decoder_blocks_ || block;
      const auto [at, is_new] = renamed.emplace(
          block ? "blocks." + std::to_string(depth + block->first) + block->second : name, stored);
      if (!is_new) { // numbers as 1 and 01
        throw InputError(path().string() + ": expected one tensor " + at->first + ", found it as " +
                         at->second + " and as " + stored);
      }
    }
    stored_ = std::move(renamed);
  }

  using Names = std::map<std::string, std::string, std::less<>>;

  WeightsFile file_;
  PublishedChoice choice_;
  Names stored_;     ///< published name to the file's
  Names unreadable_; ///< what those that are not read are, for the sentence about missing ones
  bool own_ = false;
  bool had_decoder_blocks_ = false;
};

/// The weights that a configuration names: a file, or a folder as denoiser_file. Throws InputError
/// as the constructor, and for those of another objective.
template <class Objective>
[[nodiscard]] PublishedWeightsFile weights_for(const std::filesystem::path& path,
                                               PublishedChoice choice) {
  PublishedWeightsFile file(denoiser_file(path), std::move(choice));
  file.require_predicts(Objective::parametrisation, Objective::name);
  return file;
}

} // namespace d2c
