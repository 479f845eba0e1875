// The sizes of SigLIP's vision towers and the names of their tensors. Oracles: the totals of the
// published files, and names written out by hand.

#include <cstdint>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/attach/policy.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/siglip.hpp>
#include <d2c/encoders/siglip_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

std::int64_t parameters(SigLIPShape shape, int positions) {
  shape.positions = positions;
  std::int64_t sum = 0;
  for (const NamedShape& tensor : siglip_tensors(shape, siglip_names_of({}))) {
    sum += tensor.needed ? tensor.count() : 0;
  }
  return sum;
}

} // namespace

TEST_CASE("siglip: parameters of every size are those of the published files") {
  using namespace siglip_shapes;
  CHECK(parameters(B16, 14) == 92'884'224);       // at 224 pixels
  CHECK(parameters(So400m14, 27) == 428'225'600); // at 384
  CHECK(parameters(L16, 16) == 315'956'224);      // at 256
}

TEST_CASE("siglip: names of one block, by hand") {
  std::vector<std::string> names;
  for (const NamedShape& tensor :
       siglip_tensors({.width = 72, .depth = 1, .heads = 1, .hidden = 5}, siglip_names_of({"x"}))) {
    REQUIRE(tensor.name.starts_with("vision_model."));
    names.push_back(tensor.name.substr(13));
  }
  CHECK(names == std::vector<std::string>{"embeddings.position_embedding.weight",
                                          "embeddings.position_ids",
                                          "embeddings.patch_embedding.weight",
                                          "embeddings.patch_embedding.bias",
                                          "encoder.layers.0.layer_norm1.weight",
                                          "encoder.layers.0.layer_norm1.bias",
                                          "encoder.layers.0.self_attn.q_proj.weight",
                                          "encoder.layers.0.self_attn.q_proj.bias",
                                          "encoder.layers.0.self_attn.k_proj.weight",
                                          "encoder.layers.0.self_attn.k_proj.bias",
                                          "encoder.layers.0.self_attn.v_proj.weight",
                                          "encoder.layers.0.self_attn.v_proj.bias",
                                          "encoder.layers.0.self_attn.out_proj.weight",
                                          "encoder.layers.0.self_attn.out_proj.bias",
                                          "encoder.layers.0.layer_norm2.weight",
                                          "encoder.layers.0.layer_norm2.bias",
                                          "encoder.layers.0.mlp.fc1.weight",
                                          "encoder.layers.0.mlp.fc1.bias",
                                          "encoder.layers.0.mlp.fc2.weight",
                                          "encoder.layers.0.mlp.fc2.bias",
                                          "post_layernorm.weight",
                                          "post_layernorm.bias",
                                          "head.probe",
                                          "head.attention.in_proj_weight",
                                          "head.attention.in_proj_bias",
                                          "head.attention.out_proj.weight",
                                          "head.attention.out_proj.bias",
                                          "head.layernorm.weight",
                                          "head.layernorm.bias",
                                          "head.mlp.fc1.weight",
                                          "head.mlp.fc1.bias",
                                          "head.mlp.fc2.weight",
                                          "head.mlp.fc2.bias"});
  CHECK(siglip_names_of({"embeddings.position_embedding.weight"}).prefix.empty());
  CHECK(siglip_names_of({"pos_embed"}).layout == CLIPLayout::timm);
}

TEST_CASE("siglip: types of the published sizes") {
  STATIC_REQUIRE(VisionEncoderPolicy<SigLIP> && VisionEncoderPolicy<WithClassToken<SigLIPB>>);
  STATIC_REQUIRE((SigLIP::width == 1152 && SigLIP::tokens == 256));
  STATIC_REQUIRE((SigLIPB::width == 768 && SigLIPB::tokens == 256 && SigLIPL::width == 1024));
  CHECK(OnGrid<SigLIPB, 14>::name == "OnGrid<SigLIPB, 14>");
}
