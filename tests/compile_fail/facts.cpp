// Sizes and families that the types pin and that stages must agree on.
//
// d2c-case 1: \[d2c\.codec\.dataset\] the codec cannot encode images of this data set
// d2c-case 2: \[d2c\.model\.size\] depth, width, heads and patch must be positive
// d2c-case 3: \[d2c\.model\.patch\] the patch side does not divide
// d2c-case 4: \[d2c\.model\.mismatch\] two components disagree on a size
// d2c-case 5: \[d2c\.model\.mismatch\] two components disagree on a size
// d2c-case 6: \[d2c\.objective\.family\] the objective does not belong to the family
// d2c-case 7: \[d2c\.objective\.family\] the objective does not belong to the family
// d2c-case 8: \[d2c\.sampler\.objective\] the sampling method cannot follow the path
// d2c-case 9: \[d2c\.sampler\.objective\] the sampling method cannot follow the path
// d2c-case 10: \[d2c\.budget\.interval\] the budget times the interval goes past
// d2c-case 11: \[d2c\.budget\.interval\] the budget times the interval goes past
// d2c-case 12: \[d2c\.model\.size\] depth, width, heads and patch must be positive
// d2c-case 13: \[d2c\.policy\.number\] a number of this policy is out of range
// d2c-case 14: \[d2c\.policy\.number\] a number of this policy is out of range
// d2c-case 15: \[d2c\.policy\.number\] a number of this policy is out of range
// d2c-case 16: \[d2c\.aligner\.objective\] the aligner denoises a class token

#include <d2c/core.hpp>

using namespace d2c;

struct WideText { // fits no other width of text
  using role = roles::conditioner;
  static constexpr std::string_view name = "WideText";
  static constexpr bool uses_class = true;
  static constexpr bool uses_text = true;
  static constexpr int text_width = 2048;
  static constexpr auto needs = set_of<TextTokens>;
};

constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};
constexpr TransformerSize uneven{.depth = 4, .width = 64, .heads = 3, .patch = 4};
constexpr TransformerSize large_patch{.depth = 4, .width = 64, .heads = 2, .patch = 8};
constexpr TransformerSize no_patch{.depth = 4, .width = 64, .heads = 2, .patch = 0};

using Grey = Source<FashionMNIST, Pixels>;
using Plain = Trainer<SiT<small>, FlowMatching, NoAlign>;

#if D2C_CASE == 0
using Experiment = Pipeline<Grey, Scorer<DiT<small>>, Selector<Interval<60>, PerClass<100>>,
                            Attacher<T5, EfficientNetLite0<7>>,
                            Trainer<SiT<small>, FlowMatching, REPAAlign, WideText>, Sampler<Euler>>;
#elif D2C_CASE == 1 // three channels wanted, one found
using Experiment = Pipeline<Source<FashionMNIST, Latent<SDVae>>, Selector<Random>>;
#elif D2C_CASE == 2
using Experiment = Pipeline<Scorer<DiT<uneven>>>;
#elif D2C_CASE == 3
using Experiment = Pipeline<Grey, Scorer<DiT<large_patch>>>;
#elif D2C_CASE == 4 // 64 visual tokens, 49 of the denoiser
using Experiment = Pipeline<Grey, Selector<Random>, Attacher<EfficientNetLite0<8>>,
                            Trainer<SiT<small>, FlowMatching, REPAAlign>>;
#elif D2C_CASE == 5 // text of width 384 for a conditioner of 2048
using Experiment = Pipeline<Grey, Selector<Random>, Attacher<MiniLM>,
                            Trainer<SiT<small>, FlowMatching, NoAlign, WideText>>;
#elif D2C_CASE == 6
using Experiment = Pipeline<Selector<Random>, Trainer<DiT_B2, FlowMatching, NoAlign>>;
#elif D2C_CASE == 7
using Experiment = Pipeline<Scorer<SiT_B2, NoisePrediction>>;
#elif D2C_CASE == 8
using Experiment = Pipeline<Selector<Random>, Plain, Sampler<DDPM>>;
#elif D2C_CASE == 9
using Experiment =
    Pipeline<Selector<Random>, Trainer<DiT_B2, NoisePrediction, NoAlign>, Sampler<Heun>>;
#elif D2C_CASE == 10 // rank 99 * 61 of 6000
using Experiment = Pipeline<Grey, Scorer<DiT<small>>, Selector<Interval<61>, PerClass<100>>>;
#elif D2C_CASE == 11 // more than a class has
using Experiment = Pipeline<Grey, Selector<Random, PerClass<6001>>>;
#elif D2C_CASE == 12
using Experiment = Pipeline<Grey, Scorer<DiT<no_patch>>>;
#elif D2C_CASE == 13
using Experiment = Pipeline<Scorer<DiTXL>, Selector<Interval<-4>>>;
#elif D2C_CASE == 14
using Experiment = Pipeline<Selector<Random, PerClass<-1>>>;
#elif D2C_CASE == 15
using Experiment = Pipeline<Selector<Random>, Attacher<EfficientNetLite0<0>>>;
#elif D2C_CASE == 16
using Experiment = Pipeline<Selector<Random>, Attacher<WithClassToken<DINOv2>>,
                            Trainer<DiT_B2, NoisePrediction, REGAlign>>;
#endif

int main() {
  for_each_type(Experiment::resolved_stages{}, []<class S>() { S::name(); });
  return facts_of<Experiment>().classes;
}
