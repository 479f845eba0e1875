#pragma once
/// Order-free policy slots: `Trainer<SiT_L2, REPAAlign, FlowMatching>` is the same stage as
/// `Trainer<SiT_L2, FlowMatching, REPAAlign>`. A policy finds its slot by its `role`.

#include <string>
#include <string_view>
#include <type_traits>

#include <d2c/core/diagnostics.hpp>
#include <d2c/core/type_list.hpp>

namespace d2c {

/// Stands in a slot that no policy was given for and that has no default.
struct NoPolicy {};

/// A policy: names its role and itself. Soft: false for any other type.
template <class T>
concept Policy = requires {
  typename T::role;
  std::string_view{T::name};
};

/// Whether a policy of this role has every member its stage uses. Each stage's policy.hpp
/// specialises it with the concept of the role; roles of one's own need none.
template <class Role, class T>
inline constexpr bool satisfies_role = true;

namespace detail {

template <class T>
struct role_of {
  using type = void;
};

template <Policy T>
struct role_of<T> {
  using type = typename T::role;
};

template <class Role, class Default, class... Policies>
struct policy_for {
  using type = Default;
};

template <class Role, class Default, class First, class... Rest>
struct policy_for<Role, Default, First, Rest...>
    : std::conditional_t<std::is_same_v<typename role_of<First>::type, Role>,
                         std::type_identity<First>, policy_for<Role, Default, Rest...>> {};

template <class T>
using is_policy = std::bool_constant<!std::is_same_v<T, NoPolicy>>;

} // namespace detail

/// The policy of this role among Policies, or Default.
template <class Role, class Default, class... Policies>
using policy_for_t = typename detail::policy_for<Role, Default, Policies...>::type;

/// The given types without NoPolicy.
template <class... Policies>
using filled_slots_t = filter_t<type_list<Policies...>, detail::is_policy>;

/// Roles of a stage: those that must be named and those that may stay empty or have a default.
template <class... Roles>
struct required_roles {};

/// Marks a role of which a stage takes several different policies.
template <class Role>
struct repeatable {};

template <class... Roles>
struct optional_roles {};

namespace detail {

template <class Role, class... Policies>
using policies_of_role =
    concat_t<std::conditional_t<std::is_same_v<typename role_of<Policies>::type, Role>,
                                type_list<Policies>, type_list<>>...>;

template <class Stage, class Accepted, class... Given>
struct slots_walk;

/// Every given type was placed: now the roles that must be filled.
template <class Stage, class Accepted>
struct slots_walk<Stage, Accepted> {
  using type = diagnostics::passed;
};

template <class Stage, class... Accepted, class First, class... Rest>
struct slots_walk<Stage, type_list<Accepted...>, First, Rest...> {
  static consteval auto verdict() {
    using role = typename role_of<First>::type;
    constexpr bool repeats = contains_v<type_list<Accepted...>, repeatable<role>>;
    using rivals = std::conditional_t<repeats, intersection_t<type_list<Rest...>, type_list<First>>,
                                      policies_of_role<role, Rest...>>;
    if constexpr (!repeats && !contains_v<type_list<Accepted...>, role>) {
      return diagnostics::slot_unknown<diagnostics::stage<Stage>, diagnostics::policy<First>>{};
    } else if constexpr (rivals::size != 0) {
      return []<class... Same>(type_list<Same...>) {
        return diagnostics::slot_duplicate<diagnostics::stage<Stage>,
                                           diagnostics::policies<First, Same...>>{};
      }(rivals{});
    } else if constexpr (!satisfies_role<typename First::role, First>) {
      return diagnostics::policy_shape<diagnostics::stage<Stage>, diagnostics::policy<First>,
                                       diagnostics::role<typename First::role>>{};
    } else {
      return typename slots_walk<Stage, type_list<Accepted...>, Rest...>::type{};
    }
  }

  using type = decltype(verdict());
};

template <class Role>
struct plain_role {
  using type = Role;
};

template <class Role>
struct plain_role<repeatable<Role>> {
  using type = Role;
};

template <class Stage, class Given, class... Required>
struct required_walk {
  using type = diagnostics::passed;
};

template <class Stage, class... Given, class Role, class... Rest>
struct required_walk<Stage, type_list<Given...>, Role, Rest...>
    : std::conditional_t<
          policies_of_role<typename plain_role<Role>::type, Given...>::size == 0,
          std::type_identity<diagnostics::slot_required<
              diagnostics::stage<Stage>, diagnostics::role<typename plain_role<Role>::type>>>,
          required_walk<Stage, type_list<Given...>, Rest...>> {};

template <class Stage, class Required, class Optional, class... Given>
struct slots_verdict;

template <class Stage, class... Required, class... Optional, class... Given>
struct slots_verdict<Stage, required_roles<Required...>, optional_roles<Optional...>, Given...> {
  using placed = typename slots_walk<Stage, type_list<Required..., Optional...>, Given...>::type;
  using type = typename std::conditional_t<std::is_same_v<placed, diagnostics::passed>,
                                           required_walk<Stage, type_list<Given...>, Required...>,
                                           std::type_identity<placed>>::type;
};

} // namespace detail

/// What is wrong with the policies given to a stage: diagnostics::passed or the first mistake
/// (d2c.slot.unknown, d2c.slot.duplicate, d2c.policy.shape, d2c.slot.required).
template <class Stage, class Required, class Optional, class... Given>
using slots_verdict_t = typename detail::slots_verdict<Stage, Required, Optional, Given...>::type;

namespace detail {

template <template <class...> class Stage, class Policies>
struct apply_policies;

template <template <class...> class Stage, class... Policies>
struct apply_policies<Stage, type_list<Policies...>> {
  using type = Stage<Policies...>;
};

} // namespace detail

/// The stage template filled with a list of policies.
template <template <class...> class Stage, class Policies>
using apply_policies_t = typename detail::apply_policies<Stage, Policies>::type;

/// "Scorer<DiT-XL/2, NoisePrediction, GridAntithetic>" from the stage's word and its policies.
template <class... Policies>
std::string stage_name(std::string_view word, type_list<Policies...>) {
  std::string text{word};
  text += '<';
  std::string_view separator;
  ((text.append(separator).append(std::string_view{Policies::name}), separator = ", "), ...);
  text += '>';
  return text;
}

} // namespace d2c
