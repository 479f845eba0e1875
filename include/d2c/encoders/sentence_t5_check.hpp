#pragma once
/// What can be said of the files of a Sentence-T5 model before its weights are read. Torch-free.

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/sentence_t5_files.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/parse_json.hpp>

namespace d2c {

namespace detail {

/// The settings of a module, or null where the file is no JSON object.
inline nlohmann::json sentence_settings(const std::filesystem::path& path) {
  auto json = parse_json(MappedFile{path}.text());
  if (!json.is_object()) {
    return nlohmann::json(nullptr);
  }
  return json;
}

/// Whether the settings ask for the mean over a text's tokens and nothing else, in the spelling of
/// today ("pooling_mode": "mean") or in that of the published models (one switch for each kind).
inline bool pools_by_mean(const nlohmann::json& settings) {
  if (const auto mode = settings.find("pooling_mode"); mode != settings.end()) {
    return *mode == "mean" || *mode == nlohmann::json::array({"mean"});
  }
  bool mean = false;
  for (const auto& [key, value] : settings.items()) {
    if (key.starts_with("pooling_mode_") && value == true) {
      if (key != "pooling_mode_mean_tokens") {
        return false;
      }
      mean = true;
    }
  }
  return mean;
}

/// Whether the settings describe a matrix alone: no bias, no activation, nothing added.
inline bool is_plain_matrix(const nlohmann::json& settings) {
  const auto says = [&](const char* key, const auto& value) {
    const auto found = settings.find(key);
    return found != settings.end() && *found == value;
  };
  return says("bias", false) && says("activation_function", "torch.nn.modules.linear.Identity") &&
         (!settings.contains("use_residual") || says("use_residual", false));
}

} // namespace detail

/// Adds a problem for each file beside the encoder's weights that is missing or describes another
/// pooling or dense layer; reads the settings alone, not the matrix.
template <class = Once>
void check_sentence_t5_files(std::string_view name, const std::filesystem::path& weights,
                             Problems& problems) {
  const SentenceT5Files files{weights};
  const auto add = [&](const std::string& what) { problems.add("[attach] text_weights", what); };
  const auto settings = [&](const std::filesystem::path& path, const std::string& wanted,
                            bool (*fits)(const nlohmann::json&)) {
    if (!is_file(path)) {
      add("expected the published folder of " + std::string(name) + ", found no file \"" +
          path.string() + "\"");
      return;
    }
    problems.check("[attach] text_weights", [&] {
      if (!fits(detail::sentence_settings(path))) {
        throw InputError(path.string() + ": expected " + wanted + ", found other settings");
      }
    });
  };
  settings(files.pooling, "the mean over the tokens of a text", detail::pools_by_mean);
  settings(files.dense_settings, "a dense layer without bias and activation",
           detail::is_plain_matrix);
  if (!is_file(files.dense)) {
    add("expected the published folder of " + std::string(name) +
        ", found neither model.safetensors nor pytorch_model.bin in \"" +
        files.dense.parent_path().string() + "\"");
  }
}
D2C_COMPILED_ONCE(void check_sentence_t5_files<>(std::string_view, const std::filesystem::path&,
                                                 Problems&))

} // namespace d2c
