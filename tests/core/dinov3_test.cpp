// The sizes of DINOv3 and the names of its tensors. Oracles: the published parameter counts, and
// names written out by hand.

#include <cstdint>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/app/network_cost.hpp>
#include <d2c/attach/policy.hpp>
#include <d2c/encoders/dinov3.hpp>
#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

std::vector<std::string> names(const DINOv3Shape& shape, const DINOv3Names& layout) {
  std::vector<std::string> list;
  for (const NamedShape& tensor : dinov3_tensors(shape, layout)) {
    list.push_back(tensor.name);
  }
  return list;
}

/// Millions, rounded, of what inference and training share.
std::int64_t millions(const DINOv3Shape& shape) {
  std::int64_t sum = 0;
  for (const NamedShape& tensor : dinov3_tensors(shape, {DINOv3Layout::transformers, "layer."})) {
    sum += tensor.count();
  }
  return (sum + 500'000) / 1'000'000;
}

constexpr DINOv3Shape plain{.width = 384, .depth = 1, .heads = 6};
constexpr DINOv3Shape gated{.width = 384, .depth = 1, .heads = 6, .swiglu = true};

} // namespace

TEST_CASE("dinov3: parameters of every size are those of the model cards") {
  using namespace dinov3_shapes;
  CHECK(millions(S) == 22); // 21.6
  CHECK(millions(S_plus) == 29);
  CHECK(millions(B) == 86);
  CHECK(millions(L) == 303);      // "300 M"
  CHECK(millions(H_plus) == 841); // "840 M"
  CHECK(millions(b7) == 6716);
  CHECK((S.head_width() == 64 && H_plus.head_width() == 64 && b7.head_width() == 128));
  CHECK((S_plus.hidden() == 1536 && H_plus.hidden() == 5120 && b7.hidden() == 8192));
}

TEST_CASE("dinov3: names of one block in each layout, by hand") {
  CHECK(names(plain, {}) == std::vector<std::string>{"cls_token",
                                                     "storage_tokens",
                                                     "mask_token",
                                                     "rope_embed.periods",
                                                     "patch_embed.proj.weight",
                                                     "patch_embed.proj.bias",
                                                     "blocks.0.norm1.weight",
                                                     "blocks.0.norm1.bias",
                                                     "blocks.0.attn.qkv.weight",
                                                     "blocks.0.attn.qkv.bias",
                                                     "blocks.0.attn.qkv.bias_mask",
                                                     "blocks.0.attn.proj.weight",
                                                     "blocks.0.attn.proj.bias",
                                                     "blocks.0.ls1.gamma",
                                                     "blocks.0.norm2.weight",
                                                     "blocks.0.norm2.bias",
                                                     "blocks.0.mlp.fc1.weight",
                                                     "blocks.0.mlp.fc1.bias",
                                                     "blocks.0.mlp.fc2.weight",
                                                     "blocks.0.mlp.fc2.bias",
                                                     "blocks.0.ls2.gamma",
                                                     "norm.weight",
                                                     "norm.bias",
                                                     "local_cls_norm.weight",
                                                     "local_cls_norm.bias"});
  CHECK(names(gated, {DINOv3Layout::transformers, "layer."}) ==
        std::vector<std::string>{"embeddings.cls_token",
                                 "embeddings.register_tokens",
                                 "embeddings.mask_token",
                                 "embeddings.patch_embeddings.weight",
                                 "embeddings.patch_embeddings.bias",
                                 "layer.0.norm1.weight",
                                 "layer.0.norm1.bias",
                                 "layer.0.attention.q_proj.weight",
                                 "layer.0.attention.k_proj.weight",
                                 "layer.0.attention.v_proj.weight",
                                 "layer.0.attention.q_proj.bias",
                                 "layer.0.attention.v_proj.bias",
                                 "layer.0.attention.o_proj.weight",
                                 "layer.0.attention.o_proj.bias",
                                 "layer.0.layer_scale1.lambda1",
                                 "layer.0.norm2.weight",
                                 "layer.0.norm2.bias",
                                 "layer.0.mlp.gate_proj.weight",
                                 "layer.0.mlp.gate_proj.bias",
                                 "layer.0.mlp.up_proj.weight",
                                 "layer.0.mlp.up_proj.bias",
                                 "layer.0.mlp.down_proj.weight",
                                 "layer.0.mlp.down_proj.bias",
                                 "layer.0.layer_scale2.lambda1",
                                 "norm.weight",
                                 "norm.bias"});
  CHECK(names(gated, {DINOv3Layout::timm}) == std::vector<std::string>{"cls_token",
                                                                       "reg_token",
                                                                       "patch_embed.proj.weight",
                                                                       "patch_embed.proj.bias",
                                                                       "blocks.0.norm1.weight",
                                                                       "blocks.0.norm1.bias",
                                                                       "blocks.0.attn.qkv.weight",
                                                                       "blocks.0.attn.q_bias",
                                                                       "blocks.0.attn.v_bias",
                                                                       "blocks.0.attn.proj.weight",
                                                                       "blocks.0.attn.proj.bias",
                                                                       "blocks.0.gamma_1",
                                                                       "blocks.0.norm2.weight",
                                                                       "blocks.0.norm2.bias",
                                                                       "blocks.0.mlp.fc1_g.weight",
                                                                       "blocks.0.mlp.fc1_g.bias",
                                                                       "blocks.0.mlp.fc1_x.weight",
                                                                       "blocks.0.mlp.fc1_x.bias",
                                                                       "blocks.0.mlp.fc2.weight",
                                                                       "blocks.0.mlp.fc2.bias",
                                                                       "blocks.0.gamma_2",
                                                                       "norm.weight",
                                                                       "norm.bias"});
  // SwiGLU in the authors' names; what inference does not read may be absent.
  const DINOv3Names authors;
  CHECK(authors.feed_forward_in(3, true) ==
        std::vector<std::string>{"blocks.3.mlp.w1", "blocks.3.mlp.w2"});
  CHECK(authors.feed_forward_out(3, true) == "blocks.3.mlp.w3");
  std::vector<std::string> optional;
  for (const NamedShape& tensor : dinov3_tensors(plain, authors)) {
    if (!tensor.needed) {
      optional.push_back(tensor.name);
    }
  }
  CHECK(optional ==
        std::vector<std::string>{"mask_token", "local_cls_norm.weight", "local_cls_norm.bias"});
}

TEST_CASE("dinov3: a file's layout is told by its names") {
  DINOv3Shape unbiased = gated;
  unbiased.biases = false;
  for (const DINOv3Shape& shape : {plain, gated, unbiased}) {
    for (const DINOv3Names& layout :
         {DINOv3Names{}, DINOv3Names{DINOv3Layout::transformers, "layer."},
          DINOv3Names{DINOv3Layout::transformers, "model.layer."},
          DINOv3Names{DINOv3Layout::timm, "blocks.", true},
          DINOv3Names{DINOv3Layout::timm, "blocks.", false}}) {
      const DINOv3Names found = dinov3_names_of(names(shape, layout));
      CHECK(found.layout == layout.layout);
      CHECK(found.blocks == layout.blocks);
      CHECK(names(shape, found) == names(shape, layout));
    }
  }
  CHECK(dinov3_names_of({"fc.weight"}).layout == DINOv3Layout::facebook);
}

TEST_CASE("dinov3: types and files of the published sizes") {
  STATIC_REQUIRE(VisionEncoderPolicy<DINOv3> && VisionEncoderPolicy<DINOv3_7B>);
  STATIC_REQUIRE(VisionEncoderPolicy<WithClassToken<DINOv3L>>);
  STATIC_REQUIRE((DINOv3::width == 768 && DINOv3::tokens == 256 && DINOv3L::width == 1024));
  STATIC_REQUIRE((DINOv3SPlus::shape.swiglu && DINOv3HPlus::width == 1280));
  using Large = OnGrid<DINOv3L, 32>;
  STATIC_REQUIRE((Large::tokens == 1024 && Large::width == 1024 && Large::grid == 32));
  CHECK(WithClassToken<Large>::name == "WithClassToken<OnGrid<DINOv3L, 32>>");
  CHECK(dinov3_file(DINOv3::shape) == "dinov3_vitb16_pretrain_lvd1689m-*.pth");
  CHECK(dinov3_file(DINOv3SPlus::shape) == "dinov3_vits16plus_pretrain_lvd1689m-*.pth");
  CHECK(dinov3_file(DINOv3_7B::shape) == "dinov3_vit7b16_pretrain_lvd1689m-*.pth");
  CHECK(network_cost(WithClassToken<DINOv3>{}).parameters ==
        85'659'648); // timm's, all of them read
  // 85.6 million parameters over 261 tokens, and attention.
  CHECK(DINOv3::shape.operations(256) == Approx(47.2e9).epsilon(0.01));
}
