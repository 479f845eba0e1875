#include <string>
#include <type_traits>
#include <vector>

#include <catch.hpp>

#include <d2c/core.hpp>

using namespace d2c;

namespace {

constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};

using Judge = Evaluator<FrechetDistance<EfficientNetLite0Pool>,
                        PrecisionRecall<EfficientNetLite0Pool>, CopyAudit<EfficientNetLite0Pool>>;

using Card = Pipeline<Scorer<DiTXL>, Selector<Interval<96>>, Attacher<T5, DINOv2>,
                      Trainer<SiT_L2, FlowMatching, REPAAlign>>;

using Full = Pipeline<Source<ImageNet, Latent<SDVae>>, Scorer<DiTXL>,
                      Selector<Interval<96>, PerClass<10>>, Attacher<T5, DINOv2>,
                      Trainer<SiT_L2, FlowMatching, REPAAlign>, Sampler<EulerMaruyama>, Judge>;

using Baseline = Pipeline<Source<FashionMNIST, Pixels>, Selector<Random>,
                          Trainer<SiT<small>, FlowMatching, NoAlign>, Sampler<Euler>, Judge>;

template <class... Stages>
constexpr bool is_sound = std::is_same_v<pipeline_verdict_t<Stages...>, diagnostics::passed>;

// Every legal beginning, end and gap.
static_assert(Card::well_formed && Full::well_formed && Baseline::well_formed);
static_assert(is_sound<Scorer<DiTXL>>);
static_assert(is_sound<Source<>, Scorer<DiTXL>>);
static_assert(is_sound<Source<ImageNet>, Scorer<SiT_XL2>>);
static_assert(is_sound<Source<Pixels>, Scorer<DiT_S8>>);
static_assert(is_sound<Selector<Random, PerClass<10>>>);
static_assert(is_sound<Scorer<DiTXL>, Selector<Min>, Attacher<>>);
static_assert(is_sound<Selector<Random>, Attacher<DINOv2>,
                       Trainer<DiT_B2, NoisePrediction, REPAAlign>, Sampler<DDPM>>);
static_assert(is_sound<From<CondensedPack>, Trainer<SiT_L2, FlowMatching, REPAAlign>>);
static_assert(
    is_sound<From<CondensedPack>, Trainer<SiT_L2, FlowMatching, NoAlign>, Sampler<Heun>, Judge>);
// Text may be attached for later use without being used here.
static_assert(is_sound<Selector<Random>, Attacher<T5>,
                       Trainer<SiT_B2, FlowMatching, NoAlign, ClassCondition>>);

// The paper's budgets on ImageNet: ranks up to (m - 1) k exist in a class of 1300.
template <int K, int M>
using Paper =
    Pipeline<Source<ImageNet, Latent<SDVae>>, Scorer<DiTXL>, Selector<Interval<K>, PerClass<M>>>;
static_assert(Paper<96, 10>::well_formed && Paper<16, 50>::well_formed &&
              Paper<10, 100>::well_formed);

} // namespace

TEST_CASE("pipeline: a source is put in front where none is named") {
  STATIC_REQUIRE(
      std::is_same_v<Card::stages,
                     type_list<Source<>, Scorer<DiTXL>, Selector<Interval<96>>,
                               Attacher<T5, DINOv2>, Trainer<SiT_L2, FlowMatching, REPAAlign>>>);
  STATIC_REQUIRE(Full::stages::size == 7);
  using FromPack = Pipeline<From<CondensedPack>, Trainer<SiT_S2, FlowMatching, NoAlign>>;
  STATIC_REQUIRE(FromPack::stages::size == 2);
}

TEST_CASE("pipeline: defaults are filled in and the conditioner is decided") {
  using Expected =
      type_list<Source<>, Scorer<DiT_XL2, NoisePrediction, GridAntithetic>,
                Selector<Interval<96>, PerClass<>>, Attacher<T5, DINOv2>,
                Trainer<SiT_L2, FlowMatching, REPAAlign, DCEmbedding, AdamW, UniformTime>>;
  STATIC_REQUIRE(std::is_same_v<Card::resolved_stages, Expected>);
}

TEST_CASE("pipeline: AutoCondition follows what is attached before the trainer") {
  using Train = Trainer<SiT_S2, FlowMatching, NoAlign>;
  STATIC_REQUIRE(std::is_same_v<Train::conditioner, AutoCondition>);
  STATIC_REQUIRE(
      std::is_same_v<Train::resolved<type_list<Images, TextTokens>>::conditioner, DCEmbedding>);
  STATIC_REQUIRE(std::is_same_v<Train::resolved<type_list<Images>>::conditioner, ClassCondition>);

  // The need for text arises with the choice.
  STATIC_REQUIRE(!contains_v<needs_t<Train>, TextTokens>);
  STATIC_REQUIRE(contains_v<needs_t<Train::resolved<type_list<TextTokens>>>, TextTokens>);

  // Named, it is not changed.
  using Named = Trainer<SiT_S2, FlowMatching, NoAlign, ClassCondition>;
  STATIC_REQUIRE(
      std::is_same_v<Named::resolved<type_list<TextTokens>>::conditioner, ClassCondition>);

  // Text that comes after the trainer does not count.
  using Late = Pipeline<Selector<Random>, Train, Attacher<T5>>;
  CHECK(Late::type_name().find("ClassCondition") != std::string::npos);
}

TEST_CASE("pipeline: the type name is that of the resolved stages") {
  CHECK(Card::type_name() ==
        "Pipeline<Source<>, Scorer<DiT-XL/2, NoisePrediction, GridAntithetic>, "
        "Selector<Interval<96>, PerClass<>>, Attacher<T5, DINOv2>, "
        "Trainer<SiT-L/2, FlowMatching, REPAAlign, DCEmbedding, AdamW, UniformTime>>");
  using Other =
      Pipeline<Source<>, Scorer<GridAntithetic, DiTXL>, Selector<PerClass<>, Interval<96>>,
               Attacher<DINOv2, T5>, Trainer<REPAAlign, FlowMatching, AdamW, SiT_L2>>;
  CHECK(Other::type_name() == Card::type_name());
  STATIC_REQUIRE(std::is_same_v<Other::resolved_stages, Card::resolved_stages>);
}

TEST_CASE("pipeline: facts are merged from pinned types") {
  STATIC_REQUIRE(facts_of<Full>() == ExperimentFacts{.classes = 1000,
                                                     .latent_channels = 4,
                                                     .latent_height = 32,
                                                     .latent_width = 32,
                                                     .text_tokens = 16,
                                                     .text_width = 2048,
                                                     .visual_tokens = 256,
                                                     .visual_width = 768});
  STATIC_REQUIRE(facts_of<Baseline>() ==
                 ExperimentFacts{
                     .classes = 10, .latent_channels = 1, .latent_height = 28, .latent_width = 28});
  // Without a source the latents are the configuration's.
  STATIC_REQUIRE(facts_of<Card>().latent_height == 0);
  STATIC_REQUIRE(facts_of<Card>().visual_tokens == 256);
  // A data set without a codec says its classes only.
  STATIC_REQUIRE(facts_of<Pipeline<Source<ImageNet>, Scorer<DiTXL>>>() ==
                 ExperimentFacts{.classes = 1000});
}

TEST_CASE("pipeline: a named pipeline carries its arm") {
  using Arm = Named<"random", Baseline>;
  STATIC_REQUIRE(Arm::arm == "random");
  STATIC_REQUIRE(std::is_same_v<Arm::resolved_stages, Baseline::resolved_stages>);
  STATIC_REQUIRE(std::is_same_v<Arm::pipeline, Baseline>);
  CHECK(Arm::type_name() == Baseline::type_name());
}

TEST_CASE("pipeline: every section of the stages is listed once") {
  using Two = pipeline_sections_t<Pipeline<Scorer<DiTXL>, Selector<Max>>>;
  STATIC_REQUIRE(std::is_same_v<Two, type_list<DataConfig, ScoreConfig, SelectConfig>>);
  STATIC_REQUIRE(pipeline_sections_t<Full>::size == 7);
}

TEST_CASE("pipeline: a stage describes itself at run time") {
  using Names = std::vector<std::string_view>;
  using Stages = Full::resolved_stages;
  std::vector<StageDescription> all;
  for_each_type(Stages{}, [&]<class S>() { all.push_back(describe_stage<S>()); });
  REQUIRE(all.size() == 7);
  CHECK(all[0].kind == "source");
  CHECK(all[0].name == "Source<ImageNet, Latent<SDVae>>");
  CHECK(all[0].fixed_keys == Names{"data.dataset", "data.codec"});
  CHECK(all[1].name == "Scorer<DiT-XL/2, NoisePrediction, GridAntithetic>");
  CHECK(all[2].needs == Names{"Images", "Scores"});
  CHECK(all[2].fixed_keys == Names{"select.interval", "select.per_class"});
  CHECK(all[3].provides == Names{"CondensedPack", "TextTokens", "VisualTokens"});
  CHECK(all[4].needs == Names{"Images", "Subset", "VisualTokens", "TextTokens"});
  CHECK(all[4].policies ==
        Names{"SiT-L/2", "FlowMatching", "REPAAlign", "DCEmbedding", "AdamW", "UniformTime"});
  CHECK(all[5].kind == "sample");
  CHECK(all[6].provides == Names{"Metrics"});

  // Keys stay free where the type leaves them open.
  CHECK(fixed_keys_of<Source<Pixels>>() == Names{"data.codec"});
  CHECK(fixed_keys_of<Source<>>().empty());
  CHECK(fixed_keys_of<Selector<Interval<>>>().empty());
}

TEST_CASE("pipeline: a mistake leaves nothing for programs to build on") {
  using Wrong = decltype(detail::inspect(type_list<Selector<Interval<4>>>{}));
  STATIC_REQUIRE(std::is_same_v<Wrong::resolved, type_list<>>);
  STATIC_REQUIRE(!std::is_same_v<Wrong::verdict, diagnostics::passed>);
}

TEST_CASE("pipeline: models are named as published, others by their numbers") {
  CHECK(DiTXL::name == "DiT-XL/2");
  CHECK(SiT_B4::name == "SiT-B/4");
  CHECK(SiT_S8::name == "SiT-S/8");
  CHECK(DiT_L2::name == "DiT-L/2");
  CHECK(SiT<small>::name == "SiT(depth 4, width 64, heads 2, patch 4)");
  constexpr TransformerSize narrow{.depth = 2, .width = 32, .heads = 1, .patch = 2, .mlp_ratio = 2};
  CHECK(DiT<narrow>::name == "DiT(depth 2, width 32, heads 1, patch 2, mlp 2)");
  CHECK(EfficientNetLite0<14>::name == "EfficientNetLite0<14>");
  CHECK(EfficientNetLite0<>::tokens == 49);
}
