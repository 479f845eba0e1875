#pragma once
/// Pipeline<Stages...>: the typed experiment. Completing the type checks it: shapes and slots of
/// all stages, then contracts in order, then the sizes and families that types pin.

#include <string>
#include <string_view>
#include <type_traits>

#include <d2c/core/contract.hpp>
#include <d2c/core/diagnostics.hpp>
#include <d2c/core/facts.hpp>
#include <d2c/core/stage.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/from.hpp>
#include <d2c/data/source.hpp>

namespace d2c {

namespace detail {

// First pass: is every type a stage, do its policies fit, is every set free of repetitions?

template <class List>
inline constexpr bool repeats_v = unique_t<List>::size != List::size;

template <class T>
inline constexpr bool lists_twice = repeats_v<own_needs_t<T>> || repeats_v<own_provides_t<T>>;

template <class S, class... Policies>
consteval auto repetition_verdict(type_list<Policies...>) {
  if constexpr (lists_twice<S>) {
    return diagnostics::contract_repeated<diagnostics::stage<S>>{};
  } else if constexpr ((lists_twice<Policies> || ...)) {
    return diagnostics::contract_repeated<
        diagnostics::stage<S>,
        concat_t<std::conditional_t<lists_twice<Policies>, type_list<diagnostics::policy<Policies>>,
                                    type_list<>>...>>{};
  } else {
    return diagnostics::passed{};
  }
}

template <class... Stages>
consteval auto shapes_verdict(type_list<Stages...>) {
  return diagnostics::passed{};
}

template <class First, class... Rest>
consteval auto shapes_verdict(type_list<First, Rest...>) {
  if constexpr (!StageShape<First>) {
    return diagnostics::stage_shape<diagnostics::stage<First>>{};
  } else if constexpr (!std::is_same_v<stage_verdict_t<First>, diagnostics::passed>) {
    return stage_verdict_t<First>{};
  } else {
    using repetition = decltype(repetition_verdict<First>(policies_of_t<First>{}));
    if constexpr (!std::is_same_v<repetition, diagnostics::passed>) {
      return repetition{};
    } else {
      return shapes_verdict(type_list<Rest...>{});
    }
  }
}

// Second pass: resolve each stage with what exists before it, compare needs and provides.

template <class Verdict, class Resolved>
struct walked {
  using verdict = Verdict;
  using resolved = Resolved;
};

template <class... As>
diagnostics::artifacts<As...> label(type_list<As...>);

template <class List>
using artifacts_label = decltype(label(List{}));

template <class Earlier, class Done>
consteval auto contracts_walk(type_list<>, Earlier, Done) {
  return walked<diagnostics::passed, Done>{};
}

template <class Earlier, class... Done, class First, class... Rest>
consteval auto contracts_walk(type_list<First, Rest...>, Earlier, type_list<Done...>) {
  using stage = resolved_stage_t<First, Earlier>;
  using missing = difference_t<needs_t<stage>, Earlier>;
  using later = intersection_t<missing, unite_t<provides_t<Rest>...>>;
  using nowhere = difference_t<missing, later>;
  using again = intersection_t<provides_t<stage>, Earlier>;
  if constexpr (nowhere::size != 0) {
    return walked<
        diagnostics::contract_missing<diagnostics::stage<stage>, artifacts_label<nowhere>>,
        type_list<>>{};
  } else if constexpr (later::size != 0) {
    return walked<diagnostics::contract_order<diagnostics::stage<stage>, artifacts_label<later>>,
                  type_list<>>{};
  } else if constexpr (again::size != 0) {
    return walked<
        diagnostics::contract_duplicate<diagnostics::stage<stage>, artifacts_label<again>>,
        type_list<>>{};
  } else {
    return contracts_walk(type_list<Rest...>{}, concat_t<Earlier, provides_t<stage>>{},
                          type_list<Done..., stage>{});
  }
}

template <class S>
concept Begins = requires {
  requires std::string_view {
    S::kind
  }
  == "source";
};

template <class... Stages>
using with_source = std::conditional_t<(Begins<Stages> || ...), type_list<Stages...>,
                                       type_list<Source<>, Stages...>>;

template <class... Stages>
consteval auto inspect(type_list<Stages...> given) {
  using shapes = decltype(shapes_verdict(given));
  if constexpr (sizeof...(Stages) == 0) {
    return walked<diagnostics::contract_empty<>, type_list<>>{};
  } else if constexpr (!std::is_same_v<shapes, diagnostics::passed>) {
    return walked<shapes, type_list<>>{};
  } else {
    using contracts =
        decltype(contracts_walk(with_source<Stages...>{}, type_list<>{}, type_list<>{}));
    if constexpr (!std::is_same_v<typename contracts::verdict, diagnostics::passed>) {
      return contracts{};
    } else {
      using facts = facts_verdict_t<typename contracts::resolved>;
      if constexpr (!std::is_same_v<facts, diagnostics::passed>) {
        return walked<facts, type_list<>>{};
      } else {
        return contracts{};
      }
    }
  }
}

template <class... Stages>
std::string join_names(type_list<Stages...>) {
  std::string text;
  ((text += (text.empty() ? "" : ", ") + std::string(Stages::name())), ...);
  return text;
}

} // namespace detail

/// The verdict on a list of stages, without an error: diagnostics::passed or the first mistake.
template <class... Stages>
using pipeline_verdict_t = typename decltype(detail::inspect(type_list<Stages...>{}))::verdict;

/// An experiment as a type. `Source<>` is put in front where no stage is a Source or From. After a
/// mistake both lists are empty, so that nothing built on them adds errors of its own.
template <class... Stages>
class Pipeline {
  using inspected = decltype(detail::inspect(type_list<Stages...>{}));

public:
  using verdict = typename inspected::verdict;
  static_assert(diagnostics::raise(verdict{}));

  /// False after a mistake; programs then leave the rest alone, so that one error line stays one.
  static constexpr bool well_formed = std::is_same_v<verdict, diagnostics::passed>;

  /// The stages that run: defaults filled in, in canonical order, every Auto decided.
  using resolved_stages = typename inspected::resolved;

  /// The stages as written, with the implicit Source.
  using stages = std::conditional_t<well_formed, detail::with_source<Stages...>, type_list<>>;

  /// The name by which manifests know this experiment; equal for equal resolved stages.
  static std::string type_name() {
    return "Pipeline<" + detail::join_names(resolved_stages{}) + ">";
  }
};

/// Sizes that the types of a pipeline pin; zero where only the configuration knows.
template <class P>
constexpr ExperimentFacts facts_of() {
  return facts_of_stages(typename P::resolved_stages{});
}

namespace detail {

template <class... Stages>
auto united_sections_of(type_list<Stages...>) -> unite_t<sections_of_t<Stages>...>;

} // namespace detail

/// Every configuration section that the stages of a pipeline read, each once.
template <class P>
using pipeline_sections_t = decltype(detail::united_sections_of(typename P::resolved_stages{}));

} // namespace d2c
