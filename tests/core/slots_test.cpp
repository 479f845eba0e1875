#include <string_view>
#include <type_traits>

#include <catch.hpp>

#include <d2c/core.hpp>

using namespace d2c;

namespace {

using diagnostics::passed;
using diagnostics::policies;
using diagnostics::policy;
using diagnostics::role;
using diagnostics::stage;

template <class S, class Expected>
constexpr bool verdict_is = std::is_same_v<stage_verdict_t<S>, Expected>;

template <class... Policies>
using resolved_trainer = typename Trainer<Policies...>::template resolved<type_list<>>;

using Distance = FrechetDistance<EfficientNetLite0Pool>;
using Copies = CopyAudit<EfficientNetLite0Pool>;

} // namespace

TEST_CASE("slots: the order of policies does not matter") {
  using Canonical = Trainer<SiT_L2, FlowMatching, REPAAlign, ClassCondition, Muon, LogitNormalTime>;
  STATIC_REQUIRE(
      std::is_same_v<resolved_trainer<SiT_L2, FlowMatching, REPAAlign, Muon, LogitNormalTime>,
                     Canonical>);
  STATIC_REQUIRE(
      std::is_same_v<resolved_trainer<LogitNormalTime, REPAAlign, Muon, SiT_L2, FlowMatching>,
                     Canonical>);
  STATIC_REQUIRE(
      std::is_same_v<
          resolved_trainer<ClassCondition, Muon, FlowMatching, SiT_L2, LogitNormalTime, REPAAlign>,
          Canonical>);
  STATIC_REQUIRE(std::is_same_v<Attacher<DINOv2, T5>::text_encoder, T5>);
  STATIC_REQUIRE(std::is_same_v<Attacher<DINOv2, T5>::vision_encoder, DINOv2>);
}

TEST_CASE("slots: absent policies have documented defaults") {
  using Train = Trainer<SiT_L2, FlowMatching, REPAAlign>;
  STATIC_REQUIRE(std::is_same_v<Train::optimizer, AdamW>);
  STATIC_REQUIRE(std::is_same_v<Train::time_distribution, UniformTime>);
  STATIC_REQUIRE(std::is_same_v<Train::conditioner, AutoCondition>);
  STATIC_REQUIRE(std::is_same_v<Selector<Max>::budget, PerClass<>>);
  STATIC_REQUIRE(std::is_same_v<Scorer<DiTXL>::estimator, GridAntithetic>);
  STATIC_REQUIRE(std::is_same_v<Scorer<Algorithm2, DiTXL>::estimator, Algorithm2>);
  STATIC_REQUIRE(std::is_same_v<Attacher<T5>::vision_encoder, NoPolicy>);
}

TEST_CASE("slots: the scorer's objective follows the family of its model") {
  STATIC_REQUIRE(std::is_same_v<Scorer<DiT_S4>::objective, NoisePrediction>);
  STATIC_REQUIRE(std::is_same_v<Scorer<SiT_S4>::objective, FlowMatching>);
}

TEST_CASE("slots: a second policy of a role is a mistake") {
  STATIC_REQUIRE(
      verdict_is<Selector<Min, Max>,
                 diagnostics::slot_duplicate<stage<Selector<Min, Max>>, policies<Min, Max>>>);
  STATIC_REQUIRE(
      verdict_is<Selector<Min, Min>,
                 diagnostics::slot_duplicate<stage<Selector<Min, Min>>, policies<Min, Min>>>);
}

TEST_CASE("slots: metrics may be several, each once") {
  STATIC_REQUIRE(verdict_is<Evaluator<Distance, Copies>, passed>);
  using Twice = Evaluator<Distance, Copies, Distance>;
  STATIC_REQUIRE(
      verdict_is<Twice, diagnostics::slot_duplicate<stage<Twice>, policies<Distance, Distance>>>);
  STATIC_REQUIRE(
      verdict_is<Evaluator<>, diagnostics::slot_required<stage<Evaluator<>>, role<roles::metric>>>);
}

TEST_CASE("slots: foreign types are a mistake") {
  STATIC_REQUIRE(
      verdict_is<Scorer<int>, diagnostics::slot_unknown<stage<Scorer<int>>, policy<int>>>);
  using Mixed = Selector<Random, DiTXL>;
  STATIC_REQUIRE(verdict_is<Mixed, diagnostics::slot_unknown<stage<Mixed>, policy<DiTXL>>>);
  STATIC_REQUIRE(
      verdict_is<Evaluator<Distance, Euler>,
                 diagnostics::slot_unknown<stage<Evaluator<Distance, Euler>>, policy<Euler>>>);
}

TEST_CASE("slots: a required role must be filled") {
  STATIC_REQUIRE(
      verdict_is<Scorer<>, diagnostics::slot_required<stage<Scorer<>>, role<roles::model>>>);
  using Train = Trainer<SiT_S2, REPAAlign>;
  STATIC_REQUIRE(
      verdict_is<Train, diagnostics::slot_required<stage<Train>, role<roles::objective>>>);
  STATIC_REQUIRE(verdict_is<Attacher<>, passed>);
  STATIC_REQUIRE(verdict_is<Source<>, passed>);
}

TEST_CASE("slots: names are built from canonical policies") {
  CHECK(Selector<PerClass<10>, Interval<96>>::name() == "Selector<Interval<96>, PerClass<10>>");
  CHECK(Source<>::name() == "Source<>");
  CHECK(Source<Pixels, FashionMNIST>::name() == "Source<FashionMNIST, Pixels>");
  CHECK(Evaluator<Distance>::name() == "Evaluator<FrechetDistance<EfficientNetLite0Pool>>");
}
