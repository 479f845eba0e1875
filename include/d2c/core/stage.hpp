#pragma once
/// What makes a type a stage, and what can be asked of one at run time.

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <d2c/core/contract.hpp>
#include <d2c/core/diagnostics.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// The static members every stage has. True also for a stage whose policies are wrong.
template <class T>
concept StageShape = requires {
  {std::string_view{T::kind}};
  { T::name() } -> std::convertible_to<std::string>;
  T::needs;
  T::provides;
  requires detail::is_hana_set<decltype(T::needs)>;
  requires detail::is_hana_set<decltype(T::provides)>;
};

namespace detail {

template <class T>
struct stage_verdict {
  using type = diagnostics::passed;
};

template <class T>
  requires requires {
    typename T::verdict;
  }

struct stage_verdict<T> {
  using type = typename T::verdict;
};

template <class T, class Earlier>
struct resolved_stage {
  using type = T;
};

template <class T, class Earlier>
  requires requires {
    typename T::template resolved<Earlier>;
  }

struct resolved_stage<T, Earlier> {
  using type = typename T::template resolved<Earlier>;
};

template <class T, class Earlier>
struct resolved_policy {
  using type = T;
};

template <class T, class Earlier>
  requires requires {
    typename T::template resolved<Earlier>;
  }

struct resolved_policy<T, Earlier> {
  using type = typename T::template resolved<Earlier>;
};

template <class T>
struct own_sections {
  using type = type_list<>;
};

template <class T>
  requires requires {
    typename T::config;
  }

struct own_sections<T> {
  using type = type_list<typename T::config>;
};

template <class T, class Policies>
struct united_sections;

template <class T, class... Policies>
struct united_sections<T, type_list<Policies...>> {
  using type = unite_t<typename own_sections<T>::type, typename own_sections<Policies>::type...>;
};

template <class T>
void append_fixed_keys(std::vector<std::string_view>& keys) {
  if constexpr (requires { T::fixed_keys; }) {
    for (const std::string_view key : T::fixed_keys) {
      keys.push_back(key);
    }
  }
}

template <class T>
void append_unread_keys(std::vector<std::string_view>& keys) {
  if constexpr (requires { T::unread_keys; }) {
    for (const std::string_view key : T::unread_keys) {
      keys.push_back(key);
    }
  }
}

} // namespace detail

/// What is wrong with the policies of a stage: diagnostics::passed, or the first mistake.
template <class Stage>
using stage_verdict_t = typename detail::stage_verdict<Stage>::type;

/// A stage: `kind`, `name()`, `needs`, `provides`, and policies that fit. Soft: false for any other
/// type. Optional members: `policies`, `config`, `fixed_keys`, `unread_keys`, `resolved<Earlier>`.
template <class T>
concept Stage = StageShape<T> && std::is_same_v<stage_verdict_t<T>, diagnostics::passed>;

/// The stage with defaults filled in, in canonical order, and every Auto decided from the list of
/// artifacts that earlier stages provide.
template <class S, class Earlier>
using resolved_stage_t = typename detail::resolved_stage<S, Earlier>::type;

/// The policy an Auto stands for, given what earlier stages provide; any other policy is itself.
template <class P, class Earlier>
using resolved_policy_t = typename detail::resolved_policy<P, Earlier>::type;

/// Configuration sections a stage reads: its own (`using config = ...`), then its policies'.
template <class S>
using sections_of_t = typename detail::united_sections<S, policies_of_t<S>>::type;

/// Keys ("select.interval") that the stage or its policies fix by their type.
template <class S>
std::vector<std::string_view> fixed_keys_of() {
  std::vector<std::string_view> keys;
  detail::append_fixed_keys<S>(keys);
  for_each_type(policies_of_t<S>{}, [&]<class P>() { detail::append_fixed_keys<P>(keys); });
  return keys;
}

/// Keys of its sections that the stage does not read, as it or its policies say with `unread_keys`:
/// their values are no part of its result.
template <class S>
std::vector<std::string_view> unread_keys_of() {
  std::vector<std::string_view> keys;
  detail::append_unread_keys<S>(keys);
  for_each_type(policies_of_t<S>{}, [&]<class P>() { detail::append_unread_keys<P>(keys); });
  return keys;
}

/// What a stage says of itself at run time.
struct StageDescription {
  std::string kind;
  std::string name;
  std::vector<std::string_view> policies;
  std::vector<std::string_view> needs;
  std::vector<std::string_view> provides;
  std::vector<std::string_view> fixed_keys;
};

/// Fills a StageDescription from the types; names are those of the resolved stage.
template <Stage S>
StageDescription describe_stage() {
  StageDescription text;
  text.kind = std::string_view{S::kind};
  text.name = S::name();
  text.policies = names_of(policies_of_t<S>{});
  text.needs = names_of(needs_t<S>{});
  text.provides = names_of(provides_t<S>{});
  text.fixed_keys = fixed_keys_of<S>();
  return text;
}

} // namespace d2c
