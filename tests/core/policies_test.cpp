/// The smallest type that satisfies each policy concept, and that every member is needed.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include <catch.hpp>

#include <d2c/core.hpp>

using namespace d2c;

namespace {

// Each archetype takes a number: 0 is whole, any other lacks the member of that number. A member is
// taken away by giving it a name or a type that the concept does not accept.

struct Nothing {};

template <bool Present, class T>
struct has_role {};

template <class T>
struct has_role<true, T> {
  using role = T;
};

template <bool Present>
struct has_name {};

template <>
struct has_name<true> {
  static constexpr std::string_view name = "Archetype";
};

#define D2C_MEMBER(TAG, DECLARATION)                                                               \
  template <bool Present>                                                                          \
  struct TAG {};                                                                                   \
  template <>                                                                                      \
  struct TAG<true> {                                                                               \
    static constexpr DECLARATION;                                                                  \
  };

D2C_MEMBER(has_config_name, std::string_view config_name = "archetype")
D2C_MEMBER(has_classes, int classes = 2)
D2C_MEMBER(has_channels, int channels = 1)
D2C_MEMBER(has_height, int height = 4)
D2C_MEMBER(has_width, int width = 4)
D2C_MEMBER(
    has_accepts, bool accepts(int, int, int) { return true; })
D2C_MEMBER(
    has_latent_channels, int latent_channels(int n) { return n; })
D2C_MEMBER(
    has_latent_extent, int latent_extent(int n) { return n; })
D2C_MEMBER(has_family, Family family = Family::sit)
D2C_MEMBER(has_size, TransformerSize size = sizes::S(2))
D2C_MEMBER(has_parametrisation, Parametrisation parametrisation{})
D2C_MEMBER(has_learns_variance, bool learns_variance = false)
D2C_MEMBER(has_tokens, int tokens = 4)
D2C_MEMBER(has_text, auto provides = set_of<TextTokens>)
D2C_MEMBER(has_vision, auto provides = set_of<VisualTokens>)
D2C_MEMBER(has_aligns, bool aligns = false)
D2C_MEMBER(has_uses_class, bool uses_class = true)
D2C_MEMBER(has_uses_text, bool uses_text = false)

D2C_MEMBER(has_per_class, int per_class = 10)
D2C_MEMBER(
    has_columns, std::vector<ScoreColumn> columns(const ScoreConfig&, std::uint64_t) { return {}; })
D2C_MEMBER(has_check, void check(const ScoreConfig&, Problems&){})

#undef D2C_MEMBER

template <bool Present>
struct has_select {};

template <>
struct has_select<true> {
  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> /*candidates*/,
                                                const SelectionRequest& /*request*/) const {
    return {};
  }
};

template <int Without>
struct AnyDataset : has_role<Without != 1, roles::dataset>,
                    has_name<Without != 2>,
                    has_config_name<Without != 3>,
                    has_classes<Without != 4>,
                    has_channels<Without != 5>,
                    has_height<Without != 6>,
                    has_width<Without != 7> {};

template <int Without>
struct AnyCodec : has_role<Without != 1, roles::codec>,
                  has_name<Without != 2>,
                  has_config_name<Without != 3>,
                  has_accepts<Without != 4>,
                  has_latent_channels<Without != 5>,
                  has_latent_extent<Without != 6> {};

template <int Without>
struct AnyModel : has_role<Without != 1, roles::model>,
                  has_name<Without != 2>,
                  has_family<Without != 3>,
                  has_size<Without != 4> {};

template <int Without>
struct AnyObjective : has_role<Without != 1, roles::objective>,
                      has_name<Without != 2>,
                      has_family<Without != 3>,
                      has_parametrisation<Without != 4>,
                      has_learns_variance<Without != 5> {};

template <int Without>
struct AnyEstimator : has_role<Without != 1, roles::estimator>,
                      has_name<Without != 2>,
                      has_columns<Without != 3>,
                      has_check<Without != 4> {};

template <int Without>
struct AnySelection : has_role<Without != 1, roles::selection>,
                      has_name<Without != 2>,
                      has_select<Without != 3> {};

template <int Without>
struct AnyBudget : has_role<Without != 1, roles::budget>,
                   has_name<Without != 2>,
                   has_per_class<Without != 3> {};

template <int Without>
struct AnyTextEncoder : has_role<Without != 1, roles::text_encoder>,
                        has_name<Without != 2>,
                        has_tokens<Without != 3>,
                        has_width<Without != 4>,
                        has_text<Without != 5> {};

template <int Without>
struct AnyVisionEncoder : has_role<Without != 1, roles::vision_encoder>,
                          has_name<Without != 2>,
                          has_tokens<Without != 3>,
                          has_width<Without != 4>,
                          has_vision<Without != 5> {};

template <int Without>
struct AnyAligner : has_role<Without != 1, roles::aligner>,
                    has_name<Without != 2>,
                    has_aligns<Without != 3> {};

struct AlignsAndDisperses : AnyAligner<0> {
  static constexpr bool aligns = true;
  static constexpr bool disperses = true;
};

template <int Without>
struct AnyConditioner : has_role<Without != 1, roles::conditioner>,
                        has_name<Without != 2>,
                        has_uses_class<Without != 3>,
                        has_uses_text<Without != 4> {};

template <int Without>
struct AnySampling : has_role<Without != 1, roles::sampling_method>, has_name<Without != 2> {};

template <int Without>
struct AnyMetric : has_role<Without != 1, roles::metric>, has_name<Without != 2> {};

template <int Without>
struct AnyFeatures : has_name<Without != 1>, has_width<Without != 2> {};

/// True if Is<0> holds and taking away any of the members 1 .. Members breaks it.
template <int Members, class Is>
constexpr bool every_member_counts(Is is) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return is.template operator()<0>() && (!is.template operator()<I + 1>() && ...);
  }
  (std::make_integer_sequence<int, Members>{});
}

} // namespace

TEST_CASE("policies: every member of a concept counts") {
  STATIC_REQUIRE(every_member_counts<7>([]<int I>() { return DatasetPolicy<AnyDataset<I>>; }));
  STATIC_REQUIRE(every_member_counts<6>([]<int I>() { return CodecPolicy<AnyCodec<I>>; }));
  STATIC_REQUIRE(every_member_counts<4>([]<int I>() { return ModelPolicy<AnyModel<I>>; }));
  STATIC_REQUIRE(every_member_counts<5>([]<int I>() { return ObjectiveFacts<AnyObjective<I>>; }));
  STATIC_REQUIRE(every_member_counts<4>([]<int I>() { return EstimatorPolicy<AnyEstimator<I>>; }));
  STATIC_REQUIRE(every_member_counts<3>([]<int I>() { return SelectionPolicy<AnySelection<I>>; }));
  STATIC_REQUIRE(every_member_counts<3>([]<int I>() { return BudgetPolicy<AnyBudget<I>>; }));
  STATIC_REQUIRE(
      every_member_counts<5>([]<int I>() { return TextEncoderPolicy<AnyTextEncoder<I>>; }));
  STATIC_REQUIRE(
      every_member_counts<5>([]<int I>() { return VisionEncoderPolicy<AnyVisionEncoder<I>>; }));
  STATIC_REQUIRE(every_member_counts<3>([]<int I>() { return AlignerPolicy<AnyAligner<I>>; }));
  STATIC_REQUIRE(
      every_member_counts<4>([]<int I>() { return ConditionerPolicy<AnyConditioner<I>>; }));
  STATIC_REQUIRE(every_member_counts<2>([]<int I>() { return SamplingFacts<AnySampling<I>>; }));
  STATIC_REQUIRE(every_member_counts<2>([]<int I>() { return MetricPolicy<AnyMetric<I>>; }));
  STATIC_REQUIRE(every_member_counts<2>([]<int I>() { return FeatureNetwork<AnyFeatures<I>>; }));
}

TEST_CASE("policies: archetypes are enough for a pipeline") {
  using P = Pipeline<
      Source<AnyDataset<0>, AnyCodec<0>>, Scorer<AnyModel<0>, AnyObjective<0>, AnyEstimator<0>>,
      Selector<AnySelection<0>, AnyBudget<0>>, Attacher<AnyTextEncoder<0>, AnyVisionEncoder<0>>,
      Trainer<AnyModel<0>, AnyObjective<0>, AnyAligner<0>, AnyConditioner<0>>,
      Sampler<AnySampling<0>>, Evaluator<AnyMetric<0>>>;
  STATIC_REQUIRE(P::well_formed);
}

TEST_CASE("policies: concepts are false, not ill-formed, for other types") {
  STATIC_REQUIRE(!DatasetPolicy<int>);
  STATIC_REQUIRE(!CodecPolicy<Nothing>);
  STATIC_REQUIRE(!ModelPolicy<FlowMatching>);
  STATIC_REQUIRE(!ObjectiveFacts<DiTXL>);
  STATIC_REQUIRE(!SelectionPolicy<int>);
  STATIC_REQUIRE(!EstimatorPolicy<Random>);
  STATIC_REQUIRE(!TextEncoderPolicy<DINOv2>);
  STATIC_REQUIRE(!ConditionerPolicy<AutoCondition>);
  STATIC_REQUIRE(AutoPolicy<AutoCondition>);
  STATIC_REQUIRE(!FeatureNetwork<void>);
}

TEST_CASE("policies: every shipped policy satisfies its concept") {
  STATIC_REQUIRE(DatasetPolicy<ImageNet> && DatasetPolicy<FashionMNIST>);
  STATIC_REQUIRE(CodecPolicy<Pixels> && CodecPolicy<Latent<SDVae>>);
  STATIC_REQUIRE(ModelPolicy<DiTXL> && ModelPolicy<SiT_S8>);
  STATIC_REQUIRE(ObjectiveFacts<FlowMatching> && ObjectiveFacts<NoisePrediction>);
  STATIC_REQUIRE(EstimatorPolicy<GridAntithetic> && EstimatorPolicy<Algorithm2>);
  STATIC_REQUIRE(SelectionPolicy<Interval<96>> && SelectionPolicy<Interval<>> &&
                 SelectionPolicy<Random> && SelectionPolicy<Min> && SelectionPolicy<Max> &&
                 SelectionPolicy<Medium>);
  STATIC_REQUIRE(BudgetPolicy<PerClass<10>> && BudgetPolicy<PerClass<>>);
  STATIC_REQUIRE(TextEncoderPolicy<T5> && TextEncoderPolicy<MiniLM>);
  STATIC_REQUIRE(VisionEncoderPolicy<DINOv2> && VisionEncoderPolicy<EfficientNetLite0<>>);
  STATIC_REQUIRE(AlignerPolicy<REPAAlign> && AlignerPolicy<NoAlign> &&
                 AlignerPolicy<DispersiveLoss>);
  STATIC_REQUIRE_FALSE(AlignerPolicy<AlignsAndDisperses>);
  STATIC_REQUIRE(ConditionerPolicy<ClassCondition> && ConditionerPolicy<TextCondition> &&
                 ConditionerPolicy<DCEmbedding>);
  STATIC_REQUIRE(TimeDistributionPolicy<UniformTime> && TimeDistributionPolicy<LogitNormalTime>);
  STATIC_REQUIRE(SamplingFacts<Euler> && SamplingFacts<Heun> && SamplingFacts<EulerMaruyama> &&
                 SamplingFacts<DDPM>);
  STATIC_REQUIRE(MetricPolicy<FrechetDistance<EfficientNetLite0Pool>> &&
                 MetricPolicy<PrecisionRecall<EfficientNetLite0Pool>> &&
                 MetricPolicy<CopyAudit<EfficientNetLite0Pool>>);
}

TEST_CASE("policies: facts of encoders are those of the published networks") {
  // Oracle: the papers' tables; DINOv2-B at 224 pixels in patches of 14 is a grid of 16 x 16.
  STATIC_REQUIRE(T5::tokens == 16 && T5::width == 2048);
  STATIC_REQUIRE(MiniLM::tokens == 16 && MiniLM::width == 384);
  STATIC_REQUIRE(DINOv2::tokens == (224 / 14) * (224 / 14) && DINOv2::width == 768);
  STATIC_REQUIRE(EfficientNetLite0<7>::tokens == 49 && EfficientNetLite0<7>::width == 112);
  STATIC_REQUIRE(EfficientNetLite0Pool::width == 1280);
}
