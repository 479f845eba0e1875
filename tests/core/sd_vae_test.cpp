// The sizes of Stable Diffusion's autoencoder and the names of its tensors. Oracles: the totals of
// the published files, and names written out by hand.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/data/latent.hpp>
#include <d2c/data/sd_vae.hpp>
#include <d2c/data/sd_vae_shape.hpp>
#include <d2c/data/sd_vae_tensors.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

constexpr SDVaeLayout layouts[] = {SDVaeLayout::diffusers, SDVaeLayout::deprecated,
                                   SDVaeLayout::ldm};

std::vector<std::string> names_of(const std::vector<NamedShape>& tensors) {
  std::vector<std::string> names;
  for (const NamedShape& tensor : tensors) {
    names.push_back(tensor.name);
  }
  return names;
}

std::vector<std::int64_t> shape_in(const SDVaeNames& layout, const std::string& name) {
  for (const NamedShape& tensor : sd_vae_tensors({}, layout)) {
    if (tensor.name == name) {
      return tensor.shape;
    }
  }
  return {};
}

} // namespace

TEST_CASE("sd-vae: tensors and parameters are those of the published files") {
  for (const SDVaeLayout layout : layouts) {
    std::size_t encoder = 0;
    std::int64_t encoder_parameters = 0;
    std::int64_t parameters = 0;
    const auto tensors = sd_vae_tensors(SDVae::shape, {layout, ""});
    for (const NamedShape& tensor : tensors) {
      parameters += tensor.count();
      if (tensor.name.starts_with("encoder.") || tensor.name.starts_with("quant_conv.")) {
        ++encoder;
        encoder_parameters += tensor.count();
      }
    }
    CHECK(tensors.size() == 248);
    CHECK(parameters == 83'653'863);
    CHECK(encoder == 108);
    CHECK(encoder_parameters == 34'163'664);
    const auto names = names_of(tensors);
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == 248);
  }
}

TEST_CASE("sd-vae: names and shapes in each spelling, by hand") {
  using Shape = std::vector<std::int64_t>;
  const SDVaeNames diffusers{};
  const SDVaeNames deprecated{SDVaeLayout::deprecated, "vae."};
  const SDVaeNames ldm{SDVaeLayout::ldm, "first_stage_model."};
  CHECK(shape_in(diffusers, "encoder.conv_in.weight") == Shape{128, 3, 3, 3});
  CHECK(shape_in(diffusers, "encoder.down_blocks.1.resnets.0.conv_shortcut.weight") ==
        Shape{256, 128, 1, 1});
  CHECK(shape_in(diffusers, "encoder.down_blocks.2.downsamplers.0.conv.bias") == Shape{512});
  CHECK(shape_in(diffusers, "encoder.down_blocks.3.downsamplers.0.conv.bias").empty());
  CHECK(shape_in(diffusers, "encoder.mid_block.attentions.0.to_out.0.weight") == Shape{512, 512});
  CHECK(shape_in(diffusers, "encoder.conv_norm_out.weight") == Shape{512});
  CHECK(shape_in(diffusers, "decoder.up_blocks.3.resnets.0.conv_shortcut.weight") ==
        Shape{128, 256, 1, 1});
  CHECK(shape_in(diffusers, "decoder.up_blocks.3.resnets.2.conv2.weight") == Shape{128, 128, 3, 3});
  CHECK(shape_in(diffusers, "decoder.conv_out.weight") == Shape{3, 128, 3, 3});
  CHECK(shape_in(diffusers, "quant_conv.weight") == Shape{8, 8, 1, 1});
  CHECK(shape_in(diffusers, "post_quant_conv.weight") == Shape{4, 4, 1, 1});
  CHECK(shape_in(deprecated, "vae.decoder.mid_block.attentions.0.proj_attn.bias") == Shape{512});
  CHECK(shape_in(deprecated, "vae.decoder.mid_block.attentions.0.query.weight") == Shape{512, 512});
  CHECK(shape_in(deprecated, "vae.decoder.mid_block.attentions.0.to_q.weight").empty());
  CHECK(shape_in(ldm, "first_stage_model.encoder.mid.attn_1.k.weight") == Shape{512, 512, 1, 1});
  CHECK(shape_in(ldm, "first_stage_model.encoder.mid.block_2.conv1.weight") ==
        Shape{512, 512, 3, 3});
  // The authors count the decoder's levels from the finest.
  CHECK(shape_in(ldm, "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight") ==
        Shape{128, 256, 1, 1});
  CHECK(shape_in(ldm, "first_stage_model.decoder.up.3.upsample.conv.weight") ==
        Shape{512, 512, 3, 3});
  CHECK(shape_in(ldm, "first_stage_model.decoder.up.0.upsample.conv.weight").empty());
  CHECK(shape_in(ldm, "first_stage_model.decoder.norm_out.bias") == Shape{128});
}

TEST_CASE("sd-vae: a file's spelling and prefix are told by its names") {
  for (const SDVaeLayout layout : layouts) {
    for (const char* prefix :
         {"", "first_stage_model.", "vae.", "state_dict.", "state_dict.first_stage_model."}) {
      auto names = names_of(sd_vae_tensors({}, {layout, prefix}));
      names.push_back("model.diffusion_model.out.0.weight");
      const SDVaeNames found = sd_vae_names_of(names);
      CHECK(found.layout == layout);
      CHECK(found.prefix == prefix);
    }
  }
  CHECK(sd_vae_names_of({"fc.weight"}).layout == SDVaeLayout::diffusers);
  const SDVaeNames ldm{SDVaeLayout::ldm, "state_dict."};
  CHECK(ldm.of_training("state_dict.loss.logvar"));
  CHECK_FALSE(ldm.of_training("state_dict.encoder.loss.logvar"));
  CHECK_FALSE(SDVaeNames{}.of_training("loss.logvar"));
}

TEST_CASE("sd-vae: the type's facts are those of its shape") {
  STATIC_REQUIRE((SDVae::channels == 4 && SDVae::down == 8 && SDVae::image_channels == 3));
  STATIC_REQUIRE(Latent<SDVae>::accepts(3, 256, 512));
  STATIC_REQUIRE_FALSE(Latent<SDVae>::accepts(3, 256, 252));
  STATIC_REQUIRE_FALSE(Latent<SDVae>::accepts(1, 256, 256));
}
