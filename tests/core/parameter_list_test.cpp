// Oracle: totals of the published PyTorch networks (Peebles & Xie 2023; Yu et al. 2025).

#include <limits>
#include <set>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/position_embedding.hpp>
#include <d2c/models/transformer_size.hpp>

using namespace d2c;

namespace {

NetworkShape dit(TransformerSize size, int side = 32) {
  NetworkShape shape;
  shape.family = Family::dit;
  shape.size = size;
  shape.height = shape.width = side;
  shape.learn_sigma = true;
  return shape;
}

} // namespace

TEST_CASE("parameter list: totals of every published size") {
  CHECK(parameter_count(dit(sizes::S(2))) == 32'963'360);
  CHECK(parameter_count(dit(sizes::S(4))) == 32'945'024);
  CHECK(parameter_count(dit(sizes::S(8))) == 33'148'160);
  CHECK(parameter_count(dit(sizes::B(2))) == 130'512'416);
  CHECK(parameter_count(dit(sizes::B(4))) == 130'475'648);
  CHECK(parameter_count(dit(sizes::B(8))) == 130'881'536);
  CHECK(parameter_count(dit(sizes::L(2))) == 458'102'816);
  CHECK(parameter_count(dit(sizes::L(4))) == 458'053'760);
  CHECK(parameter_count(dit(sizes::L(8))) == 458'594'816);
  CHECK(parameter_count(dit(sizes::XL(2))) == 675'129'632);
  CHECK(parameter_count(dit(sizes::XL(4))) == 675'074'432);
  CHECK(parameter_count(dit(sizes::XL(8))) == 675'683'072);
  CHECK(parameter_count(dit(sizes::XL(2), 64)) == 676'014'368);
}

TEST_CASE("parameter list: DiT-XL/2 has the published names and shapes") {
  const auto list = parameter_list(dit(sizes::XL(2)));
  CHECK(list.size() == 292);
  std::set<std::string> names;
  std::int64_t trainable = 0;
  for (const auto& entry : list) {
    names.insert(entry.name);
    trainable += entry.trainable ? entry.count() : 0;
    CHECK(entry.trainable == (entry.name != "pos_embed"));
  }
  CHECK(names.size() == 292);
  CHECK(trainable == 674'834'720);
  for (const char* name : {"pos_embed", "x_embedder.proj.weight", "t_embedder.mlp.2.bias",
                           "y_embedder.embedding_table.weight", "blocks.27.attn.qkv.weight",
                           "blocks.0.mlp.fc1.bias", "blocks.13.adaLN_modulation.1.weight",
                           "final_layer.adaLN_modulation.1.bias", "final_layer.linear.weight"}) {
    CHECK(names.contains(name));
  }
  CHECK(list.front().shape == std::vector<std::int64_t>{1152, 4, 2, 2});
  CHECK(list.back().name == "pos_embed");
  CHECK(list.back().shape == std::vector<std::int64_t>{1, 256, 1152});
}

TEST_CASE("parameter list: SiT with REPA's projector") {
  auto shape = dit(sizes::XL(2));
  shape.learn_sigma = false;
  CHECK(parameter_count(shape) == 675'111'184);
  shape.family = Family::sit;
  shape.align_depth = 8;
  shape.align_width = 768;
  CHECK(parameter_count(shape) == 683'242'512);
  CHECK(parameter_list(shape).size() == 298);
  shape.size = sizes::B(2);
  shape.align_depth = 4;
  CHECK(parameter_count(shape) == 137'845'008);
  // Of encoders of every published width the last layer of the projector alone differs.
  for (const int width : {384, 1024, 1280, 1536}) {
    shape.align_width = width;
    CHECK(parameter_count(shape) == 137'845'008 + 2049 * (width - 768));
  }
}

TEST_CASE("parameter list: the text branch of DC-Embedding at the paper's sizes") {
  auto shape = dit(sizes::L(2));
  const auto without = parameter_count(shape);
  shape.text_embedding = true;
  shape.text_tokens = 16;
  shape.text_width = 2048;
  // convolution 2048 * 16 * 1024 + 1024, two linears of 1024 * 1024 + 1024
  CHECK(parameter_count(shape) - without == 33'555'456 + 2'099'200);
}

TEST_CASE("parameter list: adaLN matrices lie one after another") {
  const auto list = parameter_list(dit(sizes::S(2)));
  std::int64_t offset = 0;
  std::int64_t expected = -1;
  int seen = 0;
  for (const auto& entry : list) {
    if (entry.name.ends_with("adaLN_modulation.1.weight")) {
      CHECK((expected < 0 || offset == expected));
      expected = offset + entry.count();
      ++seen;
    }
    offset += entry.count();
  }
  CHECK(seen == 13);
}

TEST_CASE("parameter list: REG-XL/2 on DINOv2-B has the published names and total") {
  NetworkShape shape;
  shape.size = sizes::XL(2);
  shape.align_depth = 8;
  shape.align_width = 768;
  shape.class_token_width = 768;
  CHECK(parameter_count(shape) == 685'017'360);
  const auto list = parameter_list(shape);
  CHECK(list.size() == 304);
  const auto entry = [&](const std::string& name) {
    for (const auto& candidate : list) {
      if (candidate.name == name) {
        return candidate;
      }
    }
    return ParameterEntry{};
  };
  using Sizes = std::vector<std::int64_t>;
  CHECK(entry("cls_projectors2.weight").shape == Sizes{1152, 768});
  CHECK(entry("cls_projectors2.bias").shape == Sizes{1152});
  CHECK(entry("wg_norm.weight").shape == Sizes{1152});
  CHECK(entry("wg_norm.weight").initialisation == Initialisation::ones);
  CHECK(entry("wg_norm.bias").shape == Sizes{1152});
  CHECK(entry("final_layer.linear_cls.weight").shape == Sizes{768, 1152});
  CHECK(entry("final_layer.linear_cls.weight").initialisation == Initialisation::zeros);
  CHECK(entry("final_layer.linear_cls.bias").shape == Sizes{768});
  CHECK(entry("projectors.0.4.weight").shape == Sizes{768, 2048});
  CHECK(entry("pos_embed").shape == Sizes{1, 257, 1152});
  CHECK(shape.sequence() == 257);
}

TEST_CASE("parameter list: impossible shapes are refused") {
  const auto refused = [](auto change) {
    auto shape = dit(sizes::S(2));
    change(shape);
    CHECK_THROWS_AS(parameter_list(shape), InputError);
  };
  refused([](NetworkShape& s) { s.size.heads = 7; });
  refused([](NetworkShape& s) { s.size.width = 66; });
  refused([](NetworkShape& s) { s.size.depth = 0; });
  refused([](NetworkShape& s) { s.height = 31; });
  refused([](NetworkShape& s) { s.classes = 0; });
  refused([](NetworkShape& s) { s.text_embedding = true; });
  refused([](NetworkShape& s) { s.align_depth = 13; });
  refused([](NetworkShape& s) { s.align_depth = 3; });
  refused([](NetworkShape& s) { s.class_token_width = -1; });
  refused([](NetworkShape& s) { s.class_token_width = 768; }); // a DiT learns its variance
  refused([](NetworkShape& s) {
    s.learn_sigma = false;
    s.class_token_width = 768;
    s.align_depth = 4;
    s.align_width = 384;
  });
}

TEST_CASE("parameter list: sizes beyond what an int or an int64 counts are refused") {
  const auto refused = [](auto change, const std::string& sentence) {
    auto shape = dit(sizes::S(2));
    change(shape);
    CHECK_THROWS_WITH(parameter_list(shape), "network shape: " + sentence);
  };
  constexpr int most = std::numeric_limits<int>::max();
  const std::string counted = "patches and output channels must be fewer than 2^31";
  refused([](NetworkShape& s) { s.height = s.width = 200'000; }, counted);
  refused([](NetworkShape& s) { s.channels = most / 2 + 1; }, counted);
  refused([](NetworkShape& s) { s.classes = most; }, "classes must be fewer than 2^31 - 1");
  // 3 (2^31 - 4)^2 elements of one tensor, and three tensors of 2^62 elements each.
  refused([](NetworkShape& s) { s.size.width = s.size.heads = most / 4 * 4; },
          "up to blocks.0.attn.qkv.weight there are more than 2^63 parameters");
  refused(
      [](NetworkShape& s) {
        s.size = {1, 1 << 24, 1, 1 << 14, 1};
        s.height = s.width = 1 << 14;
        s.channels = 1 << 10;
        s.learn_sigma = false;
      },
      "up to final_layer.linear.weight there are more than 2^63 parameters");
}

TEST_CASE("position embedding: golden values of XL/2") {
  const auto table = position_embedding(16, 16, 1152);
  CHECK(table.size() == 256 * 1152);
  const float* east = table.data() + 1152;
  CHECK(east[0] == Approx(0.8415).margin(5e-5));
  CHECK(east[1] == Approx(0.8241).margin(5e-5));
  CHECK(east[2] == Approx(0.8064).margin(5e-5));
  CHECK(east[288] == Approx(0.5403).margin(5e-5));
  CHECK(east[576] == 0.0f);
  const float* south = table.data() + 16 * 1152;
  CHECK(south[0] == 0.0f);
  CHECK(south[576] == Approx(0.8415).margin(5e-5));
  CHECK(south[577] == Approx(0.8241).margin(5e-5));
}
