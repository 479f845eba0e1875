// The pipeline of examples/paper_card.cpp with every network cut in depth and width, as template
// arguments, and four of ImageNet's thousand classes. Images stay 256 x 256, so latents, patches
// and visual tokens form the same grids. Inception has no smaller form and stays whole.
//
// Usage: paper_card_cut PIPELINE [COMMAND] ..., where the first word chooses among those below.

#include <cstdio>
#include <string_view>

#include <d2c/d2c.hpp>

using namespace d2c;

namespace {

struct CutT5 : T5Facts<T5Shape{.width = 64,
                               .key_width = 16,
                               .hidden = 96,
                               .heads = 6,
                               .layers = 2,
                               .gated = true,
                               .vocabulary = 640}> {
  static constexpr std::string_view name = "CutT5";
};

struct CutDINOv2 : DINOv2Facts<DINOv2Shape{.width = 128, .depth = 2}> {
  static constexpr std::string_view name = "CutDINOv2";
};

struct CutVae : SDVae {
  static constexpr fixed_string text = "CutVae";
  static constexpr std::string_view name = text;
  static constexpr SDVaeShape shape{.channels = {32, 32, 32, 64}};
};

// Heads as wide as those of the published sizes: 72 in XL, 64 in L.
constexpr TransformerSize cut_xl{.depth = 2, .width = 144, .heads = 2, .patch = 2};
constexpr TransformerSize cut_l{.depth = 3, .width = 128, .heads = 2, .patch = 2};

using Cut = Pipeline<Source<ImageNetSubset<4>, Latent<CutVae>>, Scorer<DiT<cut_xl>>,
                     Selector<Interval<3>>, Attacher<CutT5, CutDINOv2>,
                     Trainer<SiT<cut_l>, FlowMatching, REPAAlign>, Sampler<Euler>,
                     Evaluator<FID, SpatialFID, InceptionScore, PrecisionRecall<InceptionV3<>>>>;

/// The first four stages alone, with nothing said of the source: data set and codec are what [data]
/// names, and the autoencoder is the published one.
using FourStages = Pipeline<Scorer<DiT<cut_xl>>, Selector<Interval<3>>, Attacher<CutT5, CutDINOv2>,
                            Trainer<SiT<cut_l>, FlowMatching, REPAAlign>>;

/// The same in the published sizes.
using Published = Pipeline<Scorer<DiTXL>, Selector<Interval<96>>, Attacher<T5, DINOv2>,
                           Trainer<SiT_L2, FlowMatching, REPAAlign>>;

} // namespace

int main(int argc, char** argv) {
  const std::string_view pipeline = argc > 1 ? argv[1] : "";
  if (pipeline == "cut") {
    return d2c::run<Cut>(argc - 1, argv + 1);
  }
  if (pipeline == "four-stages") {
    return d2c::run<FourStages>(argc - 1, argv + 1);
  }
  if (pipeline == "published") {
    return d2c::run<Published>(argc - 1, argv + 1);
  }
  std::fputs("error: expected cut, four-stages or published as the first word\n", stderr);
  return 2;
}
