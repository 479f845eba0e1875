// The sizes of DINOv2 and the names of its tensors. Oracles: the totals of the published files, and
// names written out by hand.

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <catch.hpp>

#include <d2c/attach/policy.hpp>
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/encoders/with_positions.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

struct Total {
  std::size_t tensors;
  std::int64_t parameters;
  friend bool operator==(const Total&, const Total&) = default;
};

Total total(const DINOv2Shape& shape) {
  Total sum{0, 0};
  for (const NamedShape& tensor : dinov2_tensors(shape, {})) {
    ++sum.tensors;
    sum.parameters += tensor.count();
  }
  return sum;
}

std::vector<std::string> names(const DINOv2Shape& shape, const DINOv2Names& layout) {
  std::vector<std::string> list;
  for (const NamedShape& tensor : dinov2_tensors(shape, layout)) {
    list.push_back(tensor.name);
  }
  return list;
}

NamedShape entry(const DINOv2Shape& shape, const DINOv2Names& layout, const std::string& name) {
  for (const NamedShape& tensor : dinov2_tensors(shape, layout)) {
    if (tensor.name == name) {
      return tensor;
    }
  }
  return {"none", {}};
}

constexpr DINOv2Shape one_block{.width = 384, .depth = 1};
constexpr DINOv2Shape one_gated_block{.width = 1536, .depth = 1, .registers = 4, .swiglu = true};

} // namespace

TEST_CASE("dinov2: tensors and parameters of every size are those of the published files") {
  using namespace dinov2_shapes;
  CHECK(total(S) == Total{175, 22'056'576});
  CHECK(total(B) == Total{175, 86'580'480});
  CHECK(total(L) == Total{343, 304'368'640});
  CHECK(total(g) == Total{567, 1'136'480'768});
  CHECK(total(with_registers(S)) == Total{176, 22'058'112});
  CHECK(total(with_registers(B)) == Total{176, 86'583'552});
  CHECK(total(with_registers(L)) == Total{344, 304'372'736});
  CHECK(total(with_registers(g)) == Total{568, 1'136'486'912});
  CHECK(g.hidden() == 4096);
  CHECK((S.heads() == 6 && B.heads() == 12 && L.heads() == 16 && g.heads() == 24));
}

TEST_CASE("dinov2: names of one block in each layout, by hand") {
  CHECK(names(one_block, {}) == std::vector<std::string>{"cls_token",
                                                         "pos_embed",
                                                         "mask_token",
                                                         "patch_embed.proj.weight",
                                                         "patch_embed.proj.bias",
                                                         "blocks.0.norm1.weight",
                                                         "blocks.0.norm1.bias",
                                                         "blocks.0.attn.qkv.weight",
                                                         "blocks.0.attn.qkv.bias",
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
                                                         "norm.bias"});
  CHECK(names(one_gated_block, {DINOv2Layout::transformers, "dinov2_with_registers."}) == [] {
    std::vector<std::string> list{"embeddings.cls_token",
                                  "embeddings.position_embeddings",
                                  "embeddings.mask_token",
                                  "embeddings.register_tokens",
                                  "embeddings.patch_embeddings.projection.weight",
                                  "embeddings.patch_embeddings.projection.bias",
                                  "encoder.layer.0.norm1.weight",
                                  "encoder.layer.0.norm1.bias",
                                  "encoder.layer.0.attention.attention.query.weight",
                                  "encoder.layer.0.attention.attention.query.bias",
                                  "encoder.layer.0.attention.attention.key.weight",
                                  "encoder.layer.0.attention.attention.key.bias",
                                  "encoder.layer.0.attention.attention.value.weight",
                                  "encoder.layer.0.attention.attention.value.bias",
                                  "encoder.layer.0.attention.output.dense.weight",
                                  "encoder.layer.0.attention.output.dense.bias",
                                  "encoder.layer.0.layer_scale1.lambda1",
                                  "encoder.layer.0.norm2.weight",
                                  "encoder.layer.0.norm2.bias",
                                  "encoder.layer.0.mlp.weights_in.weight",
                                  "encoder.layer.0.mlp.weights_in.bias",
                                  "encoder.layer.0.mlp.weights_out.weight",
                                  "encoder.layer.0.mlp.weights_out.bias",
                                  "encoder.layer.0.layer_scale2.lambda1",
                                  "layernorm.weight",
                                  "layernorm.bias"};
    for (std::string& name : list) {
      name = "dinov2_with_registers." + name;
    }
    return list;
  }());
  // timm: registers and both matrices of SwiGLU under other names, no position of the class token.
  using Shape = std::vector<std::int64_t>;
  const DINOv2Names timm{DINOv2Layout::timm, ""};
  CHECK(entry(one_gated_block, timm, "reg_token").shape == Shape{1, 4, 1536});
  CHECK(entry(one_gated_block, timm, "pos_embed").shape == Shape{1, 1369, 1536});
  CHECK(entry(one_block, timm, "pos_embed").shape == Shape{1, 1370, 384});
  CHECK(entry(one_gated_block, timm, "blocks.0.mlp.fc1.weight").shape == Shape{8192, 1536});
  CHECK(entry(one_gated_block, timm, "blocks.0.mlp.fc2.weight").shape == Shape{1536, 4096});
  CHECK(entry(one_gated_block, timm, "mask_token").name == "none");
  CHECK(entry(one_gated_block, {}, "blocks.0.mlp.w12.weight").shape == Shape{8192, 1536});
  CHECK(entry(one_gated_block, {}, "blocks.0.mlp.w3.weight").shape == Shape{1536, 4096});
  CHECK(entry(one_gated_block, {}, "register_tokens").shape == Shape{1, 4, 1536});
  CHECK_FALSE(entry(one_block, {}, "mask_token").needed);
  CHECK(entry(one_block, {DINOv2Layout::transformers, ""},
              "encoder.layer.0.attention.attention.key.weight")
            .shape == Shape{384, 384});
}

TEST_CASE("dinov2: a file's layout is told by its names") {
  constexpr DINOv2Shape gated{.width = 192, .depth = 1, .swiglu = true};
  const DINOv2Shape with_registers = dinov2_shapes::with_registers(one_block);
  for (const DINOv2Shape& shape : {one_block, with_registers, gated, one_gated_block}) {
    for (const DINOv2Names& layout :
         {DINOv2Names{}, DINOv2Names{DINOv2Layout::timm, ""},
          DINOv2Names{DINOv2Layout::transformers, ""},
          DINOv2Names{DINOv2Layout::transformers, "dinov2."},
          DINOv2Names{DINOv2Layout::transformers, "dinov2_with_registers."}}) {
      const DINOv2Names found = dinov2_names_of(names(shape, layout));
      INFO(shape.width << " " << shape.registers << " " << layout.prefix);
      CHECK(found.layout == layout.layout);
      CHECK(found.prefix == layout.prefix);
    }
  }
  CHECK(dinov2_names_of({"fc.weight"}).layout == DINOv2Layout::facebook);
}

TEST_CASE("dinov2: types and files of the published sizes") {
  STATIC_REQUIRE(VisionEncoderPolicy<DINOv2> && VisionEncoderPolicy<DINOv2g>);
  STATIC_REQUIRE(VisionEncoderPolicy<WithClassToken<DINOv2LRegisters>>);
  STATIC_REQUIRE((DINOv2S::width == 384 && DINOv2L::width == 1024 && DINOv2g::width == 1536));
  STATIC_REQUIRE((DINOv2Registers::tokens == 256 && DINOv2Registers::shape.registers == 4));
  using Large = OnGrid<DINOv2L, 32>;
  STATIC_REQUIRE((Large::tokens == 1024 && Large::width == 1024 && Large::grid == 32));
  CHECK(Large::name == "OnGrid<DINOv2L, 32>");
  CHECK(WithClassToken<Large>::name == "WithClassToken<OnGrid<DINOv2L, 32>>");
  using Plain = WithPositions<Large, PositionRule::plain>;
  STATIC_REQUIRE(VisionEncoderPolicy<Plain> && Plain::grid == 32);
  STATIC_REQUIRE(Plain::position_rule == PositionRule::plain);
  STATIC_REQUIRE(DINOv2::position_rule == PositionRule::antialiased);
  STATIC_REQUIRE(OnGrid<Plain, 7>::position_rule == PositionRule::plain);
  CHECK(Plain::name == "WithPositions<OnGrid<DINOv2L, 32>, plain>");
  CHECK(dinov2_file(DINOv2::shape) == "dinov2_vitb14_pretrain.pth");
  CHECK(dinov2_file(DINOv2gRegisters::shape) == "dinov2_vitg14_reg4_pretrain.pth");
  // 86 million parameters over 257 tokens, and attention.
  CHECK(DINOv2::shape.operations(256) == Approx(46.4e9).epsilon(0.01));
}
