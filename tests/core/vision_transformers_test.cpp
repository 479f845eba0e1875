// The sizes of MAE and MoCo v3 and the names of their tensors. Oracles: the totals of the published
// files, and names written out by hand.

#include <cstdint>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/attach/policy.hpp>
#include <d2c/encoders/mae.hpp>
#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/mocov3.hpp>
#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

struct Total {
  std::size_t tensors;
  std::int64_t parameters;
  friend bool operator==(const Total&, const Total&) = default;
};

Total total(const VisionTransformerShape& shape, const VisionTransformerNames& layout = {}) {
  Total sum{0, 0};
  for (const NamedShape& tensor : vision_transformer_tensors(shape, layout)) {
    ++sum.tensors;
    sum.parameters += tensor.count();
  }
  return sum;
}

std::vector<std::string> names(const VisionTransformerShape& shape,
                               const VisionTransformerNames& layout) {
  std::vector<std::string> list;
  for (const NamedShape& tensor : vision_transformer_tensors(shape, layout)) {
    list.push_back(tensor.name);
  }
  return list;
}

constexpr VisionTransformerShape one_block{.width = 96, .depth = 1, .heads = 3};

const VisionTransformerNames transformers{VisionTransformerLayout::transformers, "vit.", {}};

} // namespace

TEST_CASE("vision transformers: tensors and parameters are those of the published files") {
  CHECK(total(MAE::shape) == Total{294, 303'301'632});
  CHECK(total(MAE::shape, transformers) == Total{294 + 4 * 24, 303'301'632});
  CHECK(total(MoCoV3L::shape) == Total{294, 303'301'632});
  CHECK(total(MoCoV3::shape) == Total{150, 85'798'656});
  CHECK(total(MoCoV3S::shape) == Total{150, 21'665'664});
  CHECK(MoCoV3S::shape.heads == 12);
}

TEST_CASE("vision transformers: names of one block in each layout, by hand") {
  CHECK(names(one_block, {VisionTransformerLayout::timm, "model.", {}}) ==
        std::vector<std::string>{"model.cls_token", "model.pos_embed",
                                 "model.patch_embed.proj.weight", "model.patch_embed.proj.bias",
                                 "model.blocks.0.norm1.weight", "model.blocks.0.norm1.bias",
                                 "model.blocks.0.attn.qkv.weight", "model.blocks.0.attn.qkv.bias",
                                 "model.blocks.0.attn.proj.weight", "model.blocks.0.attn.proj.bias",
                                 "model.blocks.0.norm2.weight", "model.blocks.0.norm2.bias",
                                 "model.blocks.0.mlp.fc1.weight", "model.blocks.0.mlp.fc1.bias",
                                 "model.blocks.0.mlp.fc2.weight", "model.blocks.0.mlp.fc2.bias",
                                 "model.norm.weight", "model.norm.bias"});
  CHECK(names(one_block, transformers) ==
        std::vector<std::string>{"vit.embeddings.cls_token",
                                 "vit.embeddings.position_embeddings",
                                 "vit.embeddings.patch_embeddings.projection.weight",
                                 "vit.embeddings.patch_embeddings.projection.bias",
                                 "vit.encoder.layer.0.layernorm_before.weight",
                                 "vit.encoder.layer.0.layernorm_before.bias",
                                 "vit.encoder.layer.0.attention.attention.query.weight",
                                 "vit.encoder.layer.0.attention.attention.query.bias",
                                 "vit.encoder.layer.0.attention.attention.key.weight",
                                 "vit.encoder.layer.0.attention.attention.key.bias",
                                 "vit.encoder.layer.0.attention.attention.value.weight",
                                 "vit.encoder.layer.0.attention.attention.value.bias",
                                 "vit.encoder.layer.0.attention.output.dense.weight",
                                 "vit.encoder.layer.0.attention.output.dense.bias",
                                 "vit.encoder.layer.0.layernorm_after.weight",
                                 "vit.encoder.layer.0.layernorm_after.bias",
                                 "vit.encoder.layer.0.intermediate.dense.weight",
                                 "vit.encoder.layer.0.intermediate.dense.bias",
                                 "vit.encoder.layer.0.output.dense.weight",
                                 "vit.encoder.layer.0.output.dense.bias",
                                 "vit.layernorm.weight",
                                 "vit.layernorm.bias"});
  const auto shapes = vision_transformer_tensors(one_block, transformers);
  using Shape = std::vector<std::int64_t>;
  CHECK(shapes[1].shape == Shape{1, 197, 96});
  CHECK(shapes[2].shape == Shape{96, 3, 16, 16});
  CHECK(shapes[6].shape == Shape{96, 96});
  CHECK(shapes[16].shape == Shape{384, 96});
  CHECK(shapes[18].shape == Shape{96, 384});
}

TEST_CASE("mae: a file's layout is told by its names") {
  CHECK(mae_names_of({"model.cls_token", "epoch"}).prefix == "model.");
  CHECK(mae_names_of({"cls_token"}).prefix.empty());
  CHECK(mae_names_of({"fc.weight"}).prefix == "model.");
  for (const char* prefix : {"", "vit."}) {
    const auto found = mae_names_of({"x", std::string(prefix) + "embeddings.cls_token"});
    CHECK(found.layout == VisionTransformerLayout::transformers);
    CHECK(found.prefix == prefix);
  }
  // The decoder of the whole model, and what lies beside the weights of a training checkpoint.
  const VisionTransformerNames file = mae_names_of({"model.cls_token"});
  CHECK_FALSE(file.claims("model.decoder_blocks.0.norm1.weight"));
  CHECK_FALSE(file.claims("model.mask_token"));
  CHECK_FALSE(file.claims("optimizer.state.0.exp_avg"));
  CHECK(file.claims("model.fc_norm.weight"));
  CHECK(file.claims("model.blocks.24.norm1.weight"));
}

TEST_CASE("mocov3: the base encoder is found in every container") {
  for (const char* prefix :
       {"state_dict.module.base_encoder.", "module.base_encoder.", "state_dict.base_encoder.",
        "base_encoder.", "state_dict.module.", "module.", "state_dict.", ""}) {
    INFO(prefix);
    std::vector<std::string> list = names(MoCoV3L::shape, {{}, prefix, {}});
    CHECK(mocov3_names_of(list).prefix == prefix);
    CHECK_FALSE(mocov3_names_of(list).misnumbered);
    list.push_back("state_dict.module.momentum_encoder.cls_token");
    CHECK(mocov3_names_of(list).prefix == prefix);
  }
  CHECK(mocov3_names_of({"x"}).prefix == "state_dict.module.base_encoder.");
  const VisionTransformerNames file = mocov3_names_of({"x"});
  CHECK_FALSE(file.claims("state_dict.module.base_encoder.head.0.weight"));
  CHECK_FALSE(file.claims("state_dict.module.momentum_encoder.cls_token"));
  CHECK_FALSE(file.claims("state_dict.module.predictor.0.weight"));
  CHECK(file.claims("state_dict.module.base_encoder.blocks.12.norm1.weight"));
}

TEST_CASE("mocov3: the misnumbered layers of the published L, by hand") {
  const std::vector<std::string> right = names(MoCoV3L::shape, {});
  std::vector<std::string> wrong = right;
  const std::vector<std::pair<std::string, std::string>> renamed = {
      {"blocks.13.norm1.weight", "blocks.13.norm13.weight"},
      {"blocks.13.norm1.bias", "blocks.13.norm13.bias"},
      {"blocks.13.mlp.fc1.weight", "blocks.13.mlp.fc13.weight"},
      {"blocks.13.mlp.fc1.bias", "blocks.13.mlp.fc13.bias"},
      {"blocks.14.norm2.weight", "blocks.14.norm14.weight"},
      {"blocks.14.norm2.bias", "blocks.14.norm14.bias"},
      {"blocks.14.mlp.fc2.weight", "blocks.14.mlp.fc14.weight"},
      {"blocks.14.mlp.fc2.bias", "blocks.14.mlp.fc14.bias"}};
  for (std::string& name : wrong) {
    for (const auto& [ours, theirs] : renamed) {
      if (name == ours) {
        name = theirs;
      }
    }
  }
  REQUIRE(wrong != right);
  const VisionTransformerNames found = mocov3_names_of(wrong);
  CHECK(found.misnumbered);
  CHECK(names(MoCoV3L::shape, found) == wrong);
}

TEST_CASE("vision transformers: types of the published sizes") {
  STATIC_REQUIRE((VisionEncoderPolicy<MAE> && VisionEncoderPolicy<WithClassToken<MoCoV3S>>));
  STATIC_REQUIRE((MAE::tokens == 256 && MAE::width == 1024));
  STATIC_REQUIRE((MAEB::width == 768 && MAEH::width == 1280 && MAEH::tokens == 256));
  CHECK(mae_file(MAEB::shape) == "mae_pretrain_vit_base.pth");
  CHECK(mae_file(MAE::shape) == "mae_pretrain_vit_large.pth");
  CHECK(mae_file(MAEH::shape) == "mae_pretrain_vit_huge.pth");
  STATIC_REQUIRE((MoCoV3S::width == 384 && MoCoV3::width == 768 && MoCoV3L::width == 1024));
  STATIC_REQUIRE((OnGrid<MAE, 14>::tokens == 196 && OnGrid<MoCoV3L, 7>::width == 1024));
  CHECK(OnGrid<MAE, 14>::name == "OnGrid<MAE, 14>");
  CHECK(mocov3_file(MoCoV3S::shape) == "vit-s-300ep.pth.tar");
  CHECK(mocov3_file(MoCoV3L::shape) == "vitl.pth.tar");
  // 303 million parameters over 257 tokens, and attention.
  CHECK(MAE::shape.operations(256) == Approx(162.0e9).epsilon(0.01));
}
