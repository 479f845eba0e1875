#pragma once
/// What `describe` prints: the typed pipeline, its contracts, sizes, networks and choices. Needs no
/// file.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/app/arm.hpp>
#include <d2c/app/plain_numbers.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/published_weights.hpp>

namespace d2c {

namespace detail {

template <class Names>
std::string joined(const Names& names) {
  std::string text;
  for (const auto& name : names) {
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text.empty() ? "nothing" : text;
}

/// 456789012 as "456 789 012".
inline std::string grouped(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), " ");
  }
  return digits;
}

inline std::string network_text(const NetworkShape& shape) {
  std::string text = "depth " + std::to_string(shape.size.depth) + ", width " +
                     std::to_string(shape.size.width) + ", " + std::to_string(shape.size.heads) +
                     " heads, patch " + std::to_string(shape.size.patch);
  try {
    const std::int64_t parameters = parameter_count(shape);
    text += ", " + std::to_string(shape.tokens()) + " tokens of " + std::to_string(shape.channels) +
            " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width) + ", " +
            grouped(parameters) + " parameters";
  } catch (const InputError& error) {
    return text + ", not possible here: " + error.what();
  }
  if (shape.text_embedding) {
    text +=
        ", text of " + std::to_string(shape.text_tokens) + " x " + std::to_string(shape.text_width);
  }
  if (shape.align_depth > 0) {
    text += ", projector after block " + std::to_string(shape.align_depth) + " to width " +
            std::to_string(shape.align_width);
  }
  if (shape.class_token_width > 0) {
    text += ", class token of width " + std::to_string(shape.class_token_width);
  }
  return text;
}

} // namespace detail

/// All arms as text. `device` and `precision` are sentences of their own.
template <class = Once>
std::string describe(const std::vector<Arm>& arms, const std::string& device,
                     const std::string& precision) {
  std::string text;
  for (const Arm& arm : arms) {
    const ExperimentFacts& facts = arm.facts;
    text += "arm " + arm.name + "\n" + arm.pipeline + "\n\n";
    text += "  sizes     " + std::to_string(facts.classes) + " classes, model space " +
            std::to_string(facts.latent_channels) + " x " + std::to_string(facts.latent_height) +
            " x " + std::to_string(facts.latent_width);
    if (facts.text_tokens > 0) {
      text += ", text " + std::to_string(facts.text_tokens) + " tokens of " +
              std::to_string(facts.text_width);
    }
    if (facts.visual_tokens > 0) {
      text += ", image " + std::to_string(facts.visual_tokens) + " tokens of " +
              std::to_string(facts.visual_width);
    }
    text += "\n";
    for (const StageNode& stage : arm.stages) {
      std::string label = stage.kind();
      label.resize(std::max<std::size_t>(label.size(), 10), ' ');
      const std::string indent(12, ' ');
      text += "  " + label + stage.text.name + "\n";
      text += indent + "needs " + detail::joined(stage.text.needs) + "\n";
      text += indent + "provides " + detail::joined(stage.text.provides) + "\n";
      text += indent + "reads [" + [&] {
        std::string sections;
        for (const std::string& section : stage.sections) {
          sections += (sections.empty() ? "" : "], [") + section;
        }
        return sections;
      }() + "]\n";
      if (!stage.text.fixed_keys.empty()) {
        text += indent + "fixes " + detail::joined(stage.text.fixed_keys) + " by its type\n";
      }
      for (const std::string& choice : stage.autos) {
        text += indent + choice + " (chosen from what earlier stages provide)\n";
      }
      if (stage.network) {
        text += indent + "network: " + detail::network_text(*stage.network) + "\n";
        const auto published = published_weights(*stage.network);
        if (!published.empty() && !stage.trains()) {
          text += indent + "published weights: " + std::string(published) + " (" +
                  (stage.kind() == "score" ? "[score] checkpoint" : "[pretrained] weights") + ")\n";
        }
      }
      for (const FrozenNetwork& network : stage.frozen) {
        text += indent + network.name + ": " + detail::grouped(network.cost.parameters) +
                " parameters, " + size_text(4.0 * static_cast<double>(network.cost.parameters)) +
                " as float32";
        text += network.cost.file.empty() ? std::string("\n")
                                          : ", " + network.cost.file + " (" + network.key + ")\n";
      }
      if (stage.parametrisation) {
        text += indent + "path " + std::string(option_name(stage.parametrisation->path)) +
                ", predicts " + std::string(option_name(stage.parametrisation->target)) + "\n";
      }
    }
    text += "\n";
  }
  return text + "device " + device + ": " + precision + "\n";
}
D2C_COMPILED_ONCE(std::string describe<>(const std::vector<Arm>&, const std::string&,
                                         const std::string&))

} // namespace d2c
