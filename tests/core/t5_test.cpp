// The sizes of T5's encoders, the names of their tensors, the buckets of relative positions and the
// index of sharded weights. Oracles: the totals of the published files, and lists written by hand.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/attach/policy.hpp>
#include <d2c/core/error.hpp>
#include <d2c/encoders/t5.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/io/shard_index.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

struct Total {
  std::size_t tensors;
  std::int64_t parameters;
  friend bool operator==(const Total&, const Total&) = default;
};

Total total(const T5Shape& shape) {
  Total sum{0, 0};
  for (const NamedShape& tensor : t5_tensors(shape)) {
    ++sum.tensors;
    sum.parameters += tensor.count();
  }
  return sum;
}

} // namespace

TEST_CASE("t5: tensors and parameters of every size are those of the published files") {
  using namespace t5_shapes;
  CHECK(total(small) == Total{51, 35'330'816});
  CHECK(total(base) == Total{99, 109'628'544});
  CHECK(total(large) == Total{195, 334'939'648});
  CHECK(total(b3) == Total{195, 1'240'909'824});
  CHECK(total(b11) == Total{195, 4'864'791'552});
  CHECK(total(v11_small) == Total{75, 35'332'800});
  CHECK(total(v11_base) == Total{111, 109'628'544});
  CHECK(total(v11_large) == Total{219, 341'231'104});
  CHECK(total(v11_xl) == Total{219, 1'223'527'424});
  CHECK(total(v11_xxl) == Total{219, 4'762'310'656});
  CHECK((v11_small.inner() == 384 && b11.inner() == 16384));
}

TEST_CASE("t5: names and shapes of one block of either version, by hand") {
  constexpr T5Shape plain{.width = 10,
                          .key_width = 3,
                          .hidden = 7,
                          .heads = 2,
                          .layers = 1,
                          .gated = false,
                          .vocabulary = 50};
  CHECK(t5_tensors(plain) ==
        std::vector<NamedShape>{
            {"shared.weight", {50, 10}},
            {"encoder.block.0.layer.0.SelfAttention.q.weight", {6, 10}},
            {"encoder.block.0.layer.0.SelfAttention.k.weight", {6, 10}},
            {"encoder.block.0.layer.0.SelfAttention.v.weight", {6, 10}},
            {"encoder.block.0.layer.0.SelfAttention.o.weight", {10, 6}},
            {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", {32, 2}},
            {"encoder.block.0.layer.0.layer_norm.weight", {10}},
            {"encoder.block.0.layer.1.DenseReluDense.wi.weight", {7, 10}},
            {"encoder.block.0.layer.1.DenseReluDense.wo.weight", {10, 7}},
            {"encoder.block.0.layer.1.layer_norm.weight", {10}},
            {"encoder.final_layer_norm.weight", {10}}});
  T5Shape gated = plain;
  gated.gated = true;
  gated.layers = 2;
  const auto list = t5_tensors(gated);
  REQUIRE(list.size() == 21);
  CHECK(list[7] == NamedShape{"encoder.block.0.layer.1.DenseReluDense.wi_0.weight", {7, 10}});
  CHECK(list[8] == NamedShape{"encoder.block.0.layer.1.DenseReluDense.wi_1.weight", {7, 10}});
  CHECK(list[15] ==
        NamedShape{"encoder.block.1.layer.0.layer_norm.weight", {10}}); // no second bias
}

TEST_CASE("t5: the first distance of each bucket, by hand") {
  const std::vector<std::pair<std::int64_t, int>> first = {
      {0, 0},   {1, 1},   {7, 7},   {8, 8},   {11, 8},   {12, 9},      {15, 9},
      {16, 10}, {22, 10}, {23, 11}, {31, 11}, {32, 12},  {45, 12},     {46, 13},
      {63, 13}, {64, 14}, {90, 14}, {91, 15}, {128, 15}, {100'000, 15}};
  for (const auto& [distance, bucket] : first) {
    INFO(distance);
    CHECK(t5_bucket(-distance) == bucket);
    CHECK(t5_bucket(distance) == (distance == 0 ? 0 : 16 + bucket));
  }
}

TEST_CASE("t5: types of the published sizes") {
  STATIC_REQUIRE(TextEncoderPolicy<T5> && TextEncoderPolicy<T5Small> && TextEncoderPolicy<T5_11B>);
  STATIC_REQUIRE((T5::width == 2048 && T5::tokens == 16 && T5::shape == t5_shapes::v11_xl));
  STATIC_REQUIRE((T5Small::width == 512 && T5Base::width == 768 && T5Large::width == 1024));
  STATIC_REQUIRE((T5_3B::width == 1024 && T5_11B::width == 1024));
  STATIC_REQUIRE((T5v11Small::width == 512 && T5v11Base::width == 768));
  STATIC_REQUIRE((T5v11Large::width == 1024 && T5v11XXL::width == 4096));
  STATIC_REQUIRE_FALSE(T5_3B::shape.gated);
}

TEST_CASE("shard index: tensors and files, by hand") {
  const d2c_test::ScratchFolder folder;
  const auto file = d2c_test::written(folder / "model.safetensors.index.json",
                                      R"({"metadata": {"total_size": 3},
          "weight_map": {"b": "two.safetensors", "a": "one.safetensors", "c": "one.safetensors"}})");
  CHECK(ShardIndex::is_index(file));
  CHECK_FALSE(ShardIndex::is_index(folder / "model.safetensors"));
  const ShardIndex index{file};
  CHECK(index.shards() == std::vector{folder / "one.safetensors", folder / "two.safetensors"});
  CHECK(index.shard_of().size() == 3);
  CHECK(index.shard_of().at("c") == folder / "one.safetensors");
}

TEST_CASE("shard index: anything else is refused in one sentence") {
  const d2c_test::ScratchFolder folder;
  const auto refused = [&](const std::string& text, const std::string& found) {
    const auto file = d2c_test::written(folder / "w.index.json", text);
    INFO(text);
    CHECK_THROWS_WITH(ShardIndex{file}, Contains("w.index.json: expected") && Contains(found));
    CHECK_THROWS_AS(ShardIndex{file}, InputError);
  };
  refused("", "found other text");
  refused("{\"weight_map\": {", "found other text");
  refused("[]", "weight_map");
  refused("{}", "weight_map");
  refused(R"({"weight_map": {}})", "found none");
  refused(R"({"weight_map": []})", "found none");
  refused(R"({"weight_map": {"a": 1}})", "tensor \"a\"");
  refused(R"({"weight_map": {"a": ""}})", "tensor \"a\"");
  refused(R"({"weight_map": {"a": "../x.safetensors"}})", "../x.safetensors");
  refused(R"({"weight_map": {"a": "/etc/x.safetensors"}})", "/etc/x.safetensors");
  refused(R"({"weight_map": {"a": ".."}})", "found \"..\"");
  refused(R"({"weight_map": {"a": "w.index.json"}})", "w.index.json");
  const int deep = 1'000'000; // no recursion, and no tree of it in memory
  refused(R"({"weight_map": {"a": )" + std::string(deep, '[') + std::string(deep, ']') + "}}",
          "a value of type array");
  refused(R"({"metadata": )" + std::string(deep, '['), "at most 16 levels");
  refused(R"({"weight_map": {"a": "x", "b": "x", "a": "y"}})", "the key \"a\" twice");
  refused(R"({"weight_map": {"a": "x"}, "weight_map": {"b": "y"}})",
          "the key \"weight_map\" twice");
  refused(R"({"metadata": {"n": 1, "n": 2}, "weight_map": {"a": "x"}})",
          "expected every key once, found the key \"n\" twice");
  // Only tensors are looked at, at their own place.
  const auto nested = d2c_test::written(folder / "w.index.json", R"({"weight_map": {"a": "x"},
      "metadata": {"weight_map": {"b": 1}, "a": [{"a": 1}, {"a": null}]}})");
  CHECK(ShardIndex{nested}.shard_of().size() == 1);
  std::filesystem::resize_file(nested, 100'000'001);
  CHECK_THROWS_WITH(ShardIndex{nested}, Contains("at most 100000000 bytes, found 100000001"));
}
