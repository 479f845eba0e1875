// The types of REG: who attaches class tokens, who needs them, and who cannot have them.

#include <string_view>
#include <type_traits>

#include <catch.hpp>

#include <d2c/core.hpp>
#include <d2c/train/denoiser_shape.hpp>

using namespace d2c;

namespace class_token_types {

struct NoToken { // a vision encoder that says nothing of a class token
  using role = roles::vision_encoder;
  static constexpr std::string_view name = "NoToken";
  static constexpr int tokens = 256;
  static constexpr int width = 8;
  static constexpr auto provides = set_of<VisualTokens>;
};

} // namespace class_token_types

namespace {

using class_token_types::NoToken;

template <class Encoder, class Model = SiT_B2, class Objective = FlowMatching>
using verdict_of = pipeline_verdict_t<Selector<Random>, Attacher<Encoder>,
                                      Trainer<Model, Objective, REGAlign>, Sampler<Euler>>;

template <template <class...> class Mistake, class Verdict>
inline constexpr bool is_a = false;

template <template <class...> class Mistake, class... About>
inline constexpr bool is_a<Mistake, Mistake<About...>> = true;

} // namespace

TEST_CASE("class token: WithClassToken has the encoder's facts and attaches one artifact more") {
  using Encoder = WithClassToken<EfficientNetLite0<7>>;
  CHECK(Encoder::name == "WithClassToken<EfficientNetLite0<7>>");
  STATIC_REQUIRE(VisionEncoderPolicy<Encoder>);
  STATIC_REQUIRE((Encoder::tokens == 49 && Encoder::width == 112));
  STATIC_REQUIRE(Encoder::class_token == ClassTokenOrigin::pooled);
  STATIC_REQUIRE(WithClassToken<DINOv2>::class_token == ClassTokenOrigin::own);
  STATIC_REQUIRE(std::is_same_v<provides_t<Attacher<Encoder>>,
                                type_list<CondensedPack, VisualTokens, ClassTokens>>);
  STATIC_REQUIRE(!contains_v<provides_t<Attacher<EfficientNetLite0<7>>>, ClassTokens>);
}

TEST_CASE("class token: REGAlign needs an encoder that attaches one") {
  STATIC_REQUIRE(std::is_same_v<verdict_of<WithClassToken<DINOv2>>, diagnostics::passed>);
  using mistake = verdict_of<DINOv2>;
  STATIC_REQUIRE(is_a<diagnostics::contract_missing, mistake>);
  STATIC_REQUIRE(!VisionEncoderPolicy<WithClassToken<NoToken>>);
  STATIC_REQUIRE(is_a<diagnostics::policy_shape, verdict_of<WithClassToken<NoToken>>>);
  STATIC_REQUIRE(std::is_same_v<
                 pipeline_verdict_t<From<CondensedPack>, Trainer<SiT_B2, FlowMatching, REGAlign>>,
                 diagnostics::passed>);
}

TEST_CASE("class token: an objective that learns its variance is refused") {
  STATIC_REQUIRE(is_a<diagnostics::aligner_objective,
                      pipeline_verdict_t<Selector<Random>, Attacher<WithClassToken<DINOv2>>,
                                         Trainer<DiT_B2, NoisePrediction, REGAlign>>>);
}

TEST_CASE("class token: the denoiser takes it in and the scorer's network does not") {
  using Objective = FlowMatching;
  const TrainingSizes sizes{
      .classes = 10, .channels = 1, .height = 28, .width = 28, .visual_width = 112};
  TrainConfig config;
  const NetworkShape shape =
      denoiser_shape<SiT_S4, Objective, REGAlign, ClassCondition>(sizes, config);
  CHECK(shape.class_token_width == 112);
  CHECK(shape.sequence() == 50);
  CHECK(shape.align_width == 112);
  config.align_weight = 0;
  const NetworkShape plain =
      denoiser_shape<SiT_S4, Objective, REGAlign, ClassCondition>(sizes, config);
  CHECK(plain.class_token_width == 112);
  CHECK(plain.align_depth == 0);
  CHECK(denoiser_shape<SiT_S4, Objective, REPAAlign, ClassCondition>(sizes, config)
            .class_token_width == 0);
}
