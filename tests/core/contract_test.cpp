#include <string>
#include <string_view>
#include <type_traits>

#include <boost/hana/difference.hpp>
#include <boost/hana/equal.hpp>
#include <boost/hana/fold_left.hpp>
#include <boost/hana/set.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/union.hpp>

#include <catch.hpp>

#include <d2c/core.hpp>

using namespace d2c;
namespace hana = boost::hana;

namespace {

using diagnostics::artifacts;
using diagnostics::stage;

template <class Expected, class... Stages>
constexpr bool verdict_is = std::is_same_v<pipeline_verdict_t<Stages...>, Expected>;

/// The oracle evaluates contracts with Hana's own set operations, which are too slow for use.
struct UniteNeeds {
  template <class Set, class Type>
  constexpr auto operator()(Set set, Type) const {
    using T = typename Type::type;
    if constexpr (requires { T::needs; }) {
      return hana::union_(set, T::needs);
    } else {
      return set;
    }
  }
};

struct UniteProvides {
  template <class Set, class Type>
  constexpr auto operator()(Set set, Type) const {
    using T = typename Type::type;
    if constexpr (requires { T::provides; }) {
      return hana::union_(set, T::provides);
    } else {
      return set;
    }
  }
};

template <class Stage, class Unite, class... Policies>
constexpr auto hana_contract(Unite unite, type_list<Policies...>) {
  return hana::fold_left(hana::make_tuple(hana::type_c<Stage>, hana::type_c<Policies>...),
                         hana::make_set(), unite);
}

template <class... Artifacts>
constexpr auto set_from(type_list<Artifacts...>) {
  return set_of<Artifacts...>;
}

template <class A, class B>
constexpr bool equal_sets(A a, B b) {
  return decltype(hana::equal(a, b))::value;
}

/// Walks the stages in both ways: the same needs, provides and missing artifacts at every stage.
template <class Earlier, class Have>
constexpr bool agrees_with_hana(Earlier, Have, type_list<>) {
  return true;
}

template <class Earlier, class Have, class First, class... Rest>
constexpr bool agrees_with_hana(Earlier, Have have, type_list<First, Rest...>) {
  using S = resolved_stage_t<First, Earlier>;
  auto needs = hana_contract<S>(UniteNeeds{}, policies_of_t<S>{});
  auto provides = hana_contract<S>(UniteProvides{}, policies_of_t<S>{});
  return equal_sets(set_from(needs_t<S>{}), needs) &&
         equal_sets(set_from(provides_t<S>{}), provides) &&
         equal_sets(set_from(difference_t<needs_t<S>, Earlier>{}), hana::difference(needs, have)) &&
         agrees_with_hana(unite_t<Earlier, provides_t<S>>{}, hana::union_(have, provides),
                          type_list<Rest...>{});
}

template <class... Stages>
constexpr bool agrees = agrees_with_hana(type_list<>{}, hana::make_set(), type_list<Stages...>{});

struct Audit { // a stage of a user: no policies, no configuration
  static constexpr std::string_view kind = "audit";
  static constexpr auto needs = set_of<Denoiser, Subset>;
  static constexpr auto provides = set_of<>;

  static std::string name() { return "Audit"; }
};

} // namespace

TEST_CASE("contract: Hana sets become lists") {
  STATIC_REQUIRE(std::is_same_v<own_needs_t<REPAAlign>, type_list<VisualTokens>>);
  STATIC_REQUIRE(std::is_same_v<own_provides_t<REPAAlign>, type_list<>>);
  STATIC_REQUIRE(std::is_same_v<own_needs_t<int>, type_list<>>);
  STATIC_REQUIRE(std::is_same_v<own_needs_t<Audit>, type_list<Denoiser, Subset>>);
}

TEST_CASE("contract: a stage's contract is the union of its policies'") {
  using Train = Trainer<SiT_S2, FlowMatching, REPAAlign, DCEmbedding>;
  STATIC_REQUIRE(
      std::is_same_v<needs_t<Train>, type_list<Images, Subset, VisualTokens, TextTokens>>);
  STATIC_REQUIRE(std::is_same_v<provides_t<Train>, type_list<Denoiser>>);
  using Plain = Trainer<SiT_S2, FlowMatching, NoAlign, ClassCondition>;
  STATIC_REQUIRE(std::is_same_v<needs_t<Plain>, type_list<Images, Subset>>);
  STATIC_REQUIRE(std::is_same_v<needs_t<Selector<Random>>, type_list<Images>>);
  STATIC_REQUIRE(std::is_same_v<needs_t<Selector<Max>>, type_list<Images, Scores>>);
  STATIC_REQUIRE(std::is_same_v<provides_t<Attacher<T5>>, type_list<CondensedPack, TextTokens>>);
  STATIC_REQUIRE(std::is_same_v<provides_t<Attacher<>>, type_list<CondensedPack>>);
}

TEST_CASE("contract: lists agree with Hana's set operations") {
  // Oracle: boost::hana::union_, difference and equal on the declared sets.
  STATIC_REQUIRE(agrees<Source<>, Scorer<DiTXL>, Selector<Interval<96>>, Attacher<T5, DINOv2>,
                        Trainer<SiT_L2, FlowMatching, REPAAlign>>);
  STATIC_REQUIRE(agrees<Source<>, Selector<Random>, Trainer<SiT_L2, FlowMatching, REPAAlign>>);
  STATIC_REQUIRE(agrees<Attacher<DINOv2>, Trainer<SiT_L2, FlowMatching, REPAAlign>, Audit>);
  STATIC_REQUIRE(agrees<Audit, Source<>>);
}

TEST_CASE("contract: the artifacts that nobody provides are named") {
  using Train = Trainer<SiT_B2, FlowMatching, REPAAlign>;
  using Resolved = Trainer<SiT_B2, FlowMatching, REPAAlign, ClassCondition, AdamW, UniformTime>;
  STATIC_REQUIRE(verdict_is<diagnostics::contract_missing<stage<Resolved>, artifacts<VisualTokens>>,
                            Selector<Random>, Train>);
  STATIC_REQUIRE(
      verdict_is<diagnostics::contract_missing<stage<Resolved>, artifacts<Subset, VisualTokens>>,
                 Train>);
  STATIC_REQUIRE(verdict_is<diagnostics::contract_missing<stage<Audit>, artifacts<Denoiser>>,
                            Selector<Random>, Audit>);
}

TEST_CASE("contract: what only a later stage provides is a question of order") {
  using Train = Trainer<SiT_B2, FlowMatching, REPAAlign>;
  using Resolved = Trainer<SiT_B2, FlowMatching, REPAAlign, ClassCondition, AdamW, UniformTime>;
  STATIC_REQUIRE(verdict_is<diagnostics::contract_order<stage<Resolved>, artifacts<VisualTokens>>,
                            Selector<Random>, Train, Attacher<DINOv2>>);
  // What nobody has is said first.
  STATIC_REQUIRE(verdict_is<diagnostics::contract_missing<stage<Resolved>, artifacts<Subset>>,
                            Train, Attacher<DINOv2>>);
}

TEST_CASE("contract: an artifact has one maker") {
  STATIC_REQUIRE(
      verdict_is<diagnostics::contract_duplicate<
                     stage<Scorer<DiT_S2, NoisePrediction, GridAntithetic>>, artifacts<Scores>>,
                 Scorer<DiTXL>, Scorer<DiT_S2>>);
  STATIC_REQUIRE(
      verdict_is<diagnostics::contract_duplicate<stage<Attacher<DINOv2>>, artifacts<CondensedPack>>,
                 Selector<Random>, Attacher<T5>, Attacher<DINOv2>>);
  STATIC_REQUIRE(verdict_is<diagnostics::contract_duplicate<stage<Source<>>, artifacts<Images>>,
                            Source<>, Source<>>);
}

TEST_CASE("contract: an empty pipeline is refused") {
  STATIC_REQUIRE(verdict_is<diagnostics::contract_empty<>>);
}

TEST_CASE("contract: stages of users take part") {
  STATIC_REQUIRE(Stage<Audit>);
  using P = Pipeline<Selector<Random>, Trainer<SiT_S2, FlowMatching, NoAlign>, Audit>;
  STATIC_REQUIRE(P::well_formed);
  CHECK(P::type_name().ends_with(", Audit>"));
  STATIC_REQUIRE(pipeline_sections_t<P>::size == 3);
}

TEST_CASE("contract: asking whether a type is a stage never fails to compile") {
  STATIC_REQUIRE(!Stage<int>);
  STATIC_REQUIRE(!Stage<Random>);
  STATIC_REQUIRE(!Stage<Scorer<int>>);
  STATIC_REQUIRE(!Stage<Evaluator<>>);
  STATIC_REQUIRE(StageShape<Scorer<int>>);
  STATIC_REQUIRE(Stage<Scorer<DiTXL>>);
}
