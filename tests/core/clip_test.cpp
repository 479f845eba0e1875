// The sizes of CLIP's towers, the names of their tensors, and its tokenizer. Oracles: the totals of
// the published files, and names and pieces written out by hand.

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/stage_node.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/attach/attacher.hpp>
#include <d2c/attach/policy.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/encoders/clip.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_text.hpp>
#include <d2c/encoders/clip_tokenizer.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using Ids = std::vector<std::int64_t>;

struct Total {
  std::size_t tensors = 0;
  std::int64_t parameters = 0;
  friend bool operator==(const Total&, const Total&) = default;
};

Total total(const std::vector<NamedShape>& list) {
  Total sum;
  for (const NamedShape& tensor : list) {
    ++sum.tensors;
    sum.parameters += tensor.count();
  }
  return sum;
}

Total vision(const CLIPShape& shape) {
  return total(clip_tensors(shape, {{CLIPLayout::openai, "visual."}}));
}

Total text(const CLIPTextShape& shape) {
  return total(clip_text_tensors(shape, {}));
}

std::vector<std::string> names(const std::vector<NamedShape>& list) {
  std::vector<std::string> all;
  for (const NamedShape& tensor : list) {
    all.push_back(tensor.name);
  }
  return all;
}

constexpr CLIPShape one_block{.width = 64, .depth = 1, .heads = 1};
constexpr CLIPTextShape one_text_block{.width = 64, .depth = 1, .heads = 1};

/// A list of pairs in the form of the authors' file. Merged pieces have the ids 512, 513, ...
const std::string pairs =
    "\"bpe_simple_vocab_16e6.txt#version: 0.2\n"
    "p h\nph o\nt o</w>\npho to</w>\n' s</w>\n! !\n! !</w>\n\xc3\x83 \xc2\xa9</w>\n";

} // namespace

TEST_CASE("clip: tensors and parameters of both towers are those of the published files") {
  using namespace clip_shapes;
  CHECK(vision(L14) == Total{296, 303'966'208});
  CHECK(vision(B32) == Total{152, 87'849'216});
  // With the scale of the logits, the whole files.
  CHECK(vision(B32).parameters + text(text_B).parameters + 1 == 151'277'313);
  CHECK(vision(B16).parameters + text(text_B).parameters + 1 == 149'620'737);
  CHECK(vision(L14).parameters + text(text_L).parameters + 1 == 427'616'513);
  CHECK(vision(L14_336).parameters + text(text_L).parameters + 1 == 427'944'193);
  CHECK(vision(H14).parameters + text(text_H).parameters + 1 == 986'109'441);
  // The text encoder of Stable Diffusion 1, without projection and numbers of places.
  CHECK(text(text_L).parameters - 768 * 768 == 123'060'480);
  CHECK(text(text_L).tensors == 149);
}

TEST_CASE("clip: names of one block of each tower in each layout, by hand") {
  CHECK(names(clip_tensors(one_block, {{CLIPLayout::openai, "visual."}})) ==
        std::vector<std::string>{"visual.class_embedding",
                                 "visual.positional_embedding",
                                 "visual.conv1.weight",
                                 "visual.ln_pre.weight",
                                 "visual.ln_pre.bias",
                                 "visual.transformer.resblocks.0.ln_1.weight",
                                 "visual.transformer.resblocks.0.ln_1.bias",
                                 "visual.transformer.resblocks.0.attn.in_proj_weight",
                                 "visual.transformer.resblocks.0.attn.in_proj_bias",
                                 "visual.transformer.resblocks.0.attn.out_proj.weight",
                                 "visual.transformer.resblocks.0.attn.out_proj.bias",
                                 "visual.transformer.resblocks.0.ln_2.weight",
                                 "visual.transformer.resblocks.0.ln_2.bias",
                                 "visual.transformer.resblocks.0.mlp.c_fc.weight",
                                 "visual.transformer.resblocks.0.mlp.c_fc.bias",
                                 "visual.transformer.resblocks.0.mlp.c_proj.weight",
                                 "visual.transformer.resblocks.0.mlp.c_proj.bias",
                                 "visual.ln_post.weight",
                                 "visual.ln_post.bias",
                                 "visual.proj"});
  CHECK(names(clip_tensors(one_block, {{CLIPLayout::transformers, "vision_model."}})) ==
        std::vector<std::string>{"vision_model.embeddings.class_embedding",
                                 "vision_model.embeddings.position_embedding.weight",
                                 "vision_model.embeddings.patch_embedding.weight",
                                 "vision_model.pre_layrnorm.weight",
                                 "vision_model.pre_layrnorm.bias",
                                 "vision_model.encoder.layers.0.layer_norm1.weight",
                                 "vision_model.encoder.layers.0.layer_norm1.bias",
                                 "vision_model.encoder.layers.0.self_attn.q_proj.weight",
                                 "vision_model.encoder.layers.0.self_attn.q_proj.bias",
                                 "vision_model.encoder.layers.0.self_attn.k_proj.weight",
                                 "vision_model.encoder.layers.0.self_attn.k_proj.bias",
                                 "vision_model.encoder.layers.0.self_attn.v_proj.weight",
                                 "vision_model.encoder.layers.0.self_attn.v_proj.bias",
                                 "vision_model.encoder.layers.0.self_attn.out_proj.weight",
                                 "vision_model.encoder.layers.0.self_attn.out_proj.bias",
                                 "vision_model.encoder.layers.0.layer_norm2.weight",
                                 "vision_model.encoder.layers.0.layer_norm2.bias",
                                 "vision_model.encoder.layers.0.mlp.fc1.weight",
                                 "vision_model.encoder.layers.0.mlp.fc1.bias",
                                 "vision_model.encoder.layers.0.mlp.fc2.weight",
                                 "vision_model.encoder.layers.0.mlp.fc2.bias",
                                 "vision_model.post_layernorm.weight",
                                 "vision_model.post_layernorm.bias",
                                 "visual_projection.weight",
                                 "vision_model.embeddings.position_ids"});
  const auto authors = names(clip_text_tensors(one_text_block, {}));
  REQUIRE(authors.size() == 17);
  CHECK(authors[0] == "token_embedding.weight");
  CHECK(authors[1] == "positional_embedding");
  CHECK(authors[2] == "transformer.resblocks.0.ln_1.weight");
  CHECK(authors[14] == "ln_final.weight");
  CHECK(authors[16] == "text_projection");
  const auto theirs =
      names(clip_text_tensors(one_text_block, {{CLIPLayout::transformers, "text_model."}}));
  CHECK(theirs[0] == "text_model.embeddings.token_embedding.weight");
  CHECK(theirs[1] == "text_model.embeddings.position_embedding.weight");
  CHECK(theirs[18] == "text_model.final_layer_norm.weight");
}

TEST_CASE("clip: whose names a file uses") {
  const auto vision_in = [](const std::vector<std::string>& list) { return clip_names_of(list); };
  CHECK(vision_in({"logit_scale", "visual.class_embedding"}).layout == CLIPLayout::openai);
  CHECK(vision_in({"vision_model.embeddings.class_embedding"}).prefix == "vision_model.");
  CHECK(vision_in({"embeddings.class_embedding"}).prefix.empty());
  CHECK(vision_in({"embeddings.class_embedding"}).layout == CLIPLayout::transformers);
  CHECK(vision_in({"other"}).prefix == "visual.");
  CHECK(clip_text_names_of({"token_embedding.weight"}).layout == CLIPLayout::openai);
  CHECK(clip_text_names_of({"text_model.embeddings.token_embedding.weight"}).prefix ==
        "text_model.");
  CHECK(clip_text_names_of({"embeddings.token_embedding.weight"}).layout ==
        CLIPLayout::transformers);
  const CLIPTextNames authors;
  CHECK((authors.claims("transformer.x") && !authors.claims("visual.proj") &&
         !authors.claims("logit_scale")));
}

TEST_CASE("clip: types of the published sizes") {
  STATIC_REQUIRE(VisionEncoderPolicy<CLIP> && VisionEncoderPolicy<WithClassToken<CLIPB32>>);
  STATIC_REQUIRE((CLIP::width == 1024 && CLIP::tokens == 256));
  STATIC_REQUIRE((CLIPL336::tokens == 576 && CLIPB16::tokens == 196 && CLIPB32::tokens == 49));
  STATIC_REQUIRE((CLIPB16::width == 768 && CLIPH::width == 1280 && CLIPH::tokens == 256));
  STATIC_REQUIRE(OnGrid<CLIPB16, 16>::tokens == 256);
  CHECK(OnGrid<CLIPB16, 16>::name == "OnGrid<CLIPB16, 16>");
  STATIC_REQUIRE(TextEncoderPolicy<CLIPText> && TextEncoderPolicy<CLIPTextH>);
  STATIC_REQUIRE((CLIPText::tokens == 77 && CLIPText::width == 768));
  STATIC_REQUIRE((CLIPTextB::width == 512 && CLIPTextH::width == 1024));
}

TEST_CASE("clip: the list of pairs beside vocab.json is part of the stage's key") {
  const d2c_test::ScratchFolder folder;
  const auto vocabulary = d2c_test::written(folder / "vocab.json", "vocabulary");
  const auto merges = d2c_test::written(folder / "merges.txt", "pairs");
  AttachConfig config;
  config.text_vocabulary = vocabulary.string();
  Sections sections;
  sections.set(DataConfig{});
  sections.set(config);
  std::map<std::string, std::string> files;
  const auto key = [&] {
    files.clear();
    return stage_key_text<Attacher<CLIPText>>(sections, 1, "cpu", {}, files);
  };
  const std::string before = key();
  CHECK(key() == before);
  CHECK(files.contains(merges.string()));
  d2c_test::written(merges, "other pairs");
  CHECK(key() != before);

  // A list of pairs alone has nothing beside it.
  config.text_vocabulary = merges.string();
  sections.set(config);
  CHECK(key().find("beside") == std::string::npos);
  config.text_vocabulary.clear();
  sections.set(config);
  CHECK(key().find("beside") == std::string::npos);
}

TEST_CASE("clip tokenizer: pairs are merged in the order of the list, by hand") {
  const d2c_test::ScratchFolder folder;
  const CLIPTokenizer tokenizer{d2c_test::written(folder / "pairs.txt", pairs)};
  CHECK(tokenizer.size() == 512 + 8 + 2);
  CHECK(tokenizer.files() == std::vector{folder / "pairs.txt"});
  CHECK(tokenizer.tokenize("photo") == Ids{515});      // ph, pho, to, photo
  CHECK(tokenizer.tokenize(" PHOTO\n\t") == Ids{515}); // lower case, white space
  // "!" is the first printable byte, its end-of-word form 256 later; digits stand alone.
  CHECK(tokenizer.tokenize("! !! !!! 10") == Ids{256, 518, 517, 256, 256 + 16, 256 + 15});
  CHECK(tokenizer.tokenize("photo's") == Ids{515, 516});
  CHECK(tokenizer.tokenize("e\u0301 \u00c9") == Ids{519, 519}); // composed, then lower case
  CHECK(tokenizer.tokenize("photo<|endoftext|>photo") == Ids{515, 521, 515});
  CHECK(tokenizer.tokenize("").empty());
  // A broken byte counts as U+FFFD.
  CHECK(tokenizer.tokenize("\xff") == tokenizer.tokenize("\ufffd"));
}

TEST_CASE("clip tokenizer: start, end and padding, and truncation that keeps the end") {
  const d2c_test::ScratchFolder folder;
  const CLIPTokenizer tokenizer{d2c_test::written(folder / "pairs.txt", pairs)};
  const auto padded = tokenizer.encode("photo", 5);
  CHECK(padded.ids == Ids{520, 515, 521, 521, 521});
  CHECK(padded.mask == Ids{1, 1, 1, 0, 0});
  const auto cut = tokenizer.encode("photo photo !!", 4);
  CHECK(cut.ids == Ids{520, 515, 515, 521});
  CHECK(cut.mask == Ids{1, 1, 1, 1});
  CHECK_THROWS_AS(tokenizer.encode("a", 1), InputError);
}

TEST_CASE("clip tokenizer: files that are no vocabulary are refused in one sentence") {
  const d2c_test::ScratchFolder folder;
  const auto refused = [&](const std::string& name, const std::string& content,
                           const std::string& found) {
    const auto file = d2c_test::written(folder / name, content);
    INFO(content);
    CHECK_THROWS_WITH(CLIPTokenizer{file},
                      Contains(": expected a vocabulary of CLIP") && Contains(found));
    CHECK_THROWS_AS(CLIPTokenizer{file}, InputError);
  };
  refused("a.txt", "ph oto x\n", "no pair of pieces in line 1");
  refused("a.txt", "p h\n\nphoto\n", "no pair of pieces in line 3");
  refused("a.txt", "p hoto\n", "without \"hoto\"");
  refused("vocab.json", "[1]", "no JSON object");
  refused("vocab.json", "{\"a\": 0", "no JSON object");
  refused("vocab.json", "{}", "no JSON object");
  // Values inside of values, however deep and whether they end, and no unpacking of JSON.
  refused("vocab.json", R"({"a": [0]})", "no JSON object");
  refused("vocab.json", R"({"a": {"b": 0}})", "no JSON object");
  refused("vocab.json", "{\"a\": " + std::string(1 << 20, '['), "no JSON object");
  refused("vocab.json", std::string(1 << 20, '['), "no JSON object");
  refused("vocab.json", "\x1f\x8b\x08", "no JSON object");
  refused("vocab.json", std::string((16 << 20) + 1, ' '), "more than 16777216 bytes");
  refused("vocab.json", R"({"a": 0, "b": 2})", "the id 2 of \"b\"");
  refused("vocab.json", R"({"a": 0, "b": 0})", "the id 0 of \"b\"");
  refused("vocab.json", R"({"a": -1})", "the id -1 of \"a\"");
  refused("vocab.json", R"({"a": "x"})", "the id \"x\" of \"a\"");
  d2c_test::written(folder / "merges.txt", "#version: 0.2\na b\n");
  refused("vocab.json", R"({"a": 0, "b": 1})", "2 tokens without \"ab\"");
  refused("vocab.json", R"({"a": 0, "b": 1, "ab": 2})", "3 tokens without");
  CHECK_THROWS_AS(CLIPTokenizer{folder / "none.txt"}, InputError);
  CHECK_THROWS_AS((CLIPTokenizer{folder / "sub" / "vocab.json"}), InputError);
}
