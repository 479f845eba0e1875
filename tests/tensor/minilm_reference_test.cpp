// Oracle: transformers' BertModel and the tokenizers library on the published weights, run by
// tests/reference/minilm.py.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <utf8proc.h>

#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>

#include <d2c/encoders/minilm_encoder.hpp>
#include <d2c/encoders/minilm_network.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

std::filesystem::path reference_folder() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/minilm.py wrote to");
  }
  return std::filesystem::path(folder) / "minilm";
}

const SafetensorsFile& reference() {
  static const SafetensorsFile file{reference_folder() / "minilm.safetensors"};
  return file;
}

std::vector<std::string> texts(const std::string& key) {
  return nlohmann::json::parse(reference().metadata().at(key)).get<std::vector<std::string>>();
}

std::filesystem::path model_file(const char* name) {
  return std::filesystem::path(reference().metadata().at("model")) / name;
}

void check_ids(const std::vector<std::string>& sentences, const Tensor& ids, const Tensor& mask) {
  const auto tokenizer = WordPiece::from_file(model_file("vocab.txt"));
  REQUIRE(ids.size(0) == static_cast<std::int64_t>(sentences.size()));
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const auto length = static_cast<std::size_t>(ids.size(1));
    const auto found = tokenizer.encode(sentences[i], length);
    const auto* row = ids.data_ptr<std::int64_t>() + i * length;
    const auto* mask_row = mask.data_ptr<std::int64_t>() + i * length;
    INFO("sentence " << i << ": \"" << sentences[i] << "\"");
    CHECK(found.ids == std::vector<std::int64_t>(row, row + length));
    CHECK(found.mask == std::vector<std::int64_t>(mask_row, mask_row + length));
  }
}

double relative(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

} // namespace

TEST_CASE("minilm reference: token ids of 100 sentences are equal") {
  check_ids(texts("sentences"), to_tensor(reference(), "ids"), to_tensor(reference(), "mask"));
}

TEST_CASE("minilm reference: token ids of odd texts are equal") {
  check_ids(texts("odd"), to_tensor(reference(), "odd_ids"), to_tensor(reference(), "odd_mask"));
}

TEST_CASE("minilm reference: every character of Unicode 8 is treated alike") {
  // The reference knows the characters of Unicode 8, utf8proc those of its own version: they may
  // differ only where a character was added or reclassified later.
  const auto tokenizer = WordPiece::from_file(model_file("vocab.txt"));
  const auto points = reference().values<std::int32_t>("points");
  const auto pieces = reference().values<std::int32_t>("pieces");
  std::size_t different = 0;
  std::int32_t first = 0x110000;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto count = utf8proc_encode_char(points[i], bytes.data());
    const std::string character{reinterpret_cast<const char*>(bytes.data()),
                                static_cast<std::size_t>(count)};
    std::array<std::int32_t, 4> expected{};
    std::copy_n(pieces.begin() + static_cast<std::ptrdiff_t>(4 * i), 4, expected.begin());
    std::array<std::int32_t, 4> found{-1, -1, -1, -1};
    const auto ids = tokenizer.tokenize("a" + character + "b");
    for (std::size_t j = 0; j < std::min<std::size_t>(ids.size(), 4); ++j) {
      found[j] = static_cast<std::int32_t>(ids[j]);
    }
    if (found != expected) {
      ++different;
      first = std::min(first, points[i]);
    }
  }
  CHECK(points.size() == 0x110000 - 0x800);
  CHECK(different < 1000);
  CHECK(first >= 0x600); // Latin, Greek, Cyrillic, Armenian, Hebrew: no difference at all
}

TEST_CASE("minilm reference: hidden states and sentence vectors agree to 1e-4") {
  const MiniLMNetwork network{WeightsFile{model_file("model.safetensors")}};
  const Tensor mask = to_tensor(reference(), "mask");
  const Tensor hidden = network.last_hidden_state(to_tensor(reference(), "ids"), mask);
  CHECK(relative(hidden, to_tensor(reference(), "hidden")) < 1e-4);
  CHECK(relative(MiniLMNetwork::sentence_vectors(hidden, mask),
                 to_tensor(reference(), "sentence")) < 1e-4);
  // PyTorch's format, without pooler and numbers of places.
  const MiniLMNetwork other{WeightsFile{reference_folder() / "pytorch_model.bin"}};
  CHECK(relative(other.last_hidden_state(to_tensor(reference(), "ids"), mask),
                 to_tensor(reference(), "hidden")) < 1e-4);
}

TEST_CASE("minilm reference: the encoder gives the tokens and the mask of prompts") {
  AttachConfig config;
  config.text_weights = model_file("model.safetensors").string();
  config.text_vocabulary = model_file("vocab.txt").string();
  const auto encoder = make_encoder(MiniLM{}, config, at::kCPU);
  const EncodedText text = encoder->encode(texts("sentences"));
  CHECK(text.tokens.sizes() == at::IntArrayRef({100, MiniLM::tokens, MiniLM::width}));
  CHECK(relative(text.tokens, to_tensor(reference(), "hidden")) < 1e-4);
  CHECK(at::equal(text.mask, to_tensor(reference(), "mask").to(at::kFloat)));
}

TEST_CASE("minilm: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "w.safetensors";
  auto weights = load_safetensors(model_file("model.safetensors"));
  weights["encoder.layer.3.intermediate.dense.weight"] = at::zeros({7, 384});
  weights["encoder.layer.6.output.dense.bias"] = at::zeros({384});
  weights.erase("encoder.layer.5.output.LayerNorm.bias");
  save_tensors(file, {weights.begin(), weights.end()});
  CHECK_THROWS_AS(MiniLMNetwork{WeightsFile{file}}, InputError);
  CHECK_THROWS_WITH(
      MiniLMNetwork{WeightsFile{file}},
      Contains("w.safetensors: expected the weights of MiniLM (all-MiniLM-L6-v2), found: missing "
               "encoder.layer.5.output.LayerNorm.bias [384]; unexpected "
               "encoder.layer.6.output.dense.bias [384] F32; mis-shaped "
               "encoder.layer.3.intermediate.dense.weight, expected [1536, 384], found [7, 384]"));

  // The check says it before anything runs.
  AttachConfig config;
  config.text_weights = file.string();
  config.text_vocabulary = d2c_test::written(scratch / "vocab.txt", "a\nb\n").string();
  Problems problems;
  check_encoder(MiniLM{}, config, problems);
  REQUIRE(problems.list().size() == 2);
  CHECK_THAT(problems.list()[0].text(),
             Contains("[attach] text_weights: ") && Contains("expected the weights of MiniLM"));
  CHECK_THAT(problems.list()[1].text(),
             Contains("[attach] text_vocabulary: ") && Contains("expected the token [PAD]"));
  config.text_weights = model_file("model.safetensors").string();
  config.text_vocabulary = model_file("vocab.txt").string();
  Problems none;
  check_encoder(MiniLM{}, config, none);
  CHECK(none.empty());
}
