// Sentence-T5's types, the files beside its weights, and their part in the key of the attaching
// stage. Oracles: the settings of published folders, and sentences written by hand.

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/stage_node.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/attach/attacher.hpp>
#include <d2c/attach/policy.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/sentence_t5.hpp>
#include <d2c/encoders/sentence_t5_check.hpp>
#include <d2c/encoders/sentence_t5_files.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using d2c_test::written;

constexpr const char* published_pooling = R"({
  "word_embedding_dimension": 768, "pooling_mode_cls_token": false,
  "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
  "pooling_mode_mean_sqrt_len_tokens": false})";
constexpr const char* published_dense =
    R"({"in_features": 768, "out_features": 768, "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity"})";

/// A folder with the files beside the weights; nothing reads what stands in these weights.
struct Published {
  d2c_test::ScratchFolder folder;
  std::filesystem::path weights = folder / "model.safetensors";
  SentenceT5Files files{weights};

  Published() {
    for (const auto& file : files.all()) {
      std::filesystem::create_directories(file.parent_path());
    }
    written(weights, "weights");
    written(files.pooling, published_pooling);
    written(files.dense_settings, published_dense);
    written(files.dense, "matrix");
  }

  [[nodiscard]] std::string problems() const {
    Problems found;
    check_sentence_t5_files("SentenceT5", weights, found);
    return found.text();
  }
};

} // namespace

TEST_CASE("sentence-t5: types of the published sizes") {
  STATIC_REQUIRE(TextEncoderPolicy<SentenceT5> && TextEncoderPolicy<SentenceT5XXL>);
  STATIC_REQUIRE((SentenceT5::tokens == 1 && SentenceT5::width == 768));
  STATIC_REQUIRE((SentenceT5XXL::tokens == 1 && SentenceT5XXL::width == 768));
  STATIC_REQUIRE((SentenceT5::shape == t5_shapes::base && SentenceT5Large::shape.width == 1024));
  STATIC_REQUIRE((SentenceT5XL::shape == t5_shapes::b3 && SentenceT5XXL::shape.heads == 128));
  CHECK(Attacher<SentenceT5Large, DINOv2>::name() == "Attacher<SentenceT5Large, DINOv2>");
}

TEST_CASE("sentence-t5: the files beside the weights, by their published names") {
  const Published model;
  CHECK(model.files.pooling == model.folder / "1_Pooling/config.json");
  CHECK(model.files.dense_settings == model.folder / "2_Dense/config.json");
  CHECK(model.files.dense == model.folder / "2_Dense/pytorch_model.bin");
  written(model.folder / "2_Dense/model.safetensors", "newer");
  CHECK(SentenceT5Files{model.weights}.dense == model.folder / "2_Dense/model.safetensors");
  CHECK(model.problems().empty());
}

TEST_CASE("sentence-t5: each missing file is one sentence") {
  const Published model;
  for (const auto& file : model.files.all()) {
    std::filesystem::remove(file);
  }
  Problems problems;
  check_sentence_t5_files("SentenceT5", model.weights, problems);
  REQUIRE(problems.list().size() == 3);
  CHECK_THAT(problems.text(),
             Contains("[attach] text_weights: expected the published folder of SentenceT5, found "
                      "no file \"" +
                      model.files.pooling.string() + "\"") &&
                 Contains("no file \"" + model.files.dense_settings.string() + "\"") &&
                 Contains("found neither model.safetensors nor pytorch_model.bin in \""));
}

TEST_CASE("sentence-t5: settings of another model are refused") {
  const Published model;
  const auto accepts = [&](const std::filesystem::path& file, const std::string& text) {
    const std::string before = d2c_test::content(file);
    written(file, text);
    const std::string found = model.problems();
    written(file, before);
    CHECK((found.empty() || (found.find(file.string() + ": expected") != std::string::npos &&
                             found.find('\n') == std::string::npos)));
    return found.empty();
  };
  for (const char* text : {R"({"embedding_dimension": 768, "pooling_mode": "mean"})",
                           R"({"pooling_mode": ["mean"]})"}) {
    INFO(text);
    CHECK(accepts(model.files.pooling, text));
  }
  for (const char* text :
       {R"({"pooling_mode": "cls"})", R"({"pooling_mode": ["cls", "mean"]})", "{}", "", "[]",
        R"({"pooling_mode": 3})", R"({"pooling_mode_mean_tokens": false})",
        R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})", "{\"pooling"}) {
    INFO(text);
    CHECK_FALSE(accepts(model.files.pooling, text));
  }
  for (const char* text :
       {R"({"bias": true, "activation_function": "torch.nn.modules.linear.Identity"})",
        R"({"bias": false, "activation_function": "torch.nn.modules.activation.Tanh"})",
        R"({"bias": false})", R"({"activation_function": "torch.nn.modules.linear.Identity"})",
        R"({"bias": false, "activation_function": 1})",
        R"({"bias": false, "activation_function": "torch.nn.modules.linear.Identity",
            "use_residual": true})",
        R"({"bias": false, "activation_function": "torch.nn.modules.linear.Identity",
            "use_residual": "yes"})"}) {
    INFO(text);
    CHECK_FALSE(accepts(model.files.dense_settings, text));
  }
  // Copies of a million lists in each other would end the stack.
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK_FALSE(accepts(model.files.pooling, R"({"pooling_mode": "mean", "a": )" + deep + "}"));
}

TEST_CASE("sentence-t5: the files beside the weights are part of the stage's key") {
  const Published model;
  AttachConfig config;
  config.text_weights = model.weights.string();
  Sections sections;
  sections.set(DataConfig{});
  sections.set(config);
  std::map<std::string, std::string> files;
  const auto key = [&] {
    files.clear();
    return stage_key_text<Attacher<SentenceT5>>(sections, 1, "cpu", {}, files);
  };
  std::set<std::string> keys{key()};
  CHECK(key() == *keys.begin());
  CHECK(files.size() == 4);
  CHECK(files.contains(model.files.dense.string()));
  for (const auto& file : model.files.all()) {
    written(file, "other");
    CHECK(keys.insert(key()).second);
  }
  // Without files of its own, an encoder's key is as before.
  CHECK(stage_key_text<Attacher<DINOv2>>(sections, 1, "cpu", {}, files).find("beside") ==
        std::string::npos);
}
