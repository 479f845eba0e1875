#pragma once
/// Lists of types and the few operations on them that contracts, slots and pipelines use.

#include <cstddef>
#include <type_traits>

namespace d2c {

/// An ordered list of types; holds no values.
template <class... Ts>
struct type_list {
  static constexpr std::size_t size = sizeof...(Ts);
};

/// True if T is a member of List.
template <class List, class T>
inline constexpr bool contains_v = false;

template <class... Ts, class T>
inline constexpr bool contains_v<type_list<Ts...>, T> = (std::is_same_v<Ts, T> || ...);

namespace detail {

template <class... Lists>
struct concat;

template <>
struct concat<> {
  using type = type_list<>;
};

template <class... Ts>
struct concat<type_list<Ts...>> {
  using type = type_list<Ts...>;
};

template <class... As, class... Bs, class... Rest>
struct concat<type_list<As...>, type_list<Bs...>, Rest...>
    : concat<type_list<As..., Bs...>, Rest...> {};

template <class Done, class Rest>
struct unique;

template <class... Done>
struct unique<type_list<Done...>, type_list<>> {
  using type = type_list<Done...>;
};

template <class... Done, class T, class... Rest>
struct unique<type_list<Done...>, type_list<T, Rest...>>
    : unique<std::conditional_t<(std::is_same_v<Done, T> || ...), type_list<Done...>,
                                type_list<Done..., T>>,
             type_list<Rest...>> {};

} // namespace detail

/// All lists one after the other.
template <class... Lists>
using concat_t = typename detail::concat<Lists...>::type;

/// The list without later repetitions of a member.
template <class List>
using unique_t = typename detail::unique<type_list<>, List>::type;

/// Union as sets, in order of first appearance.
template <class... Lists>
using unite_t = unique_t<concat_t<Lists...>>;

namespace detail {

template <class List, template <class> class Keep>
struct filter;

template <class... Ts, template <class> class Keep>
struct filter<type_list<Ts...>, Keep> {
  using type = concat_t<std::conditional_t<Keep<Ts>::value, type_list<Ts>, type_list<>>...>;
};

template <class List>
struct membership {
  template <class T>
  using in = std::bool_constant<contains_v<List, T>>;
  template <class T>
  using out = std::bool_constant<!contains_v<List, T>>;
};

} // namespace detail

/// Members of List for which Keep<T>::value holds.
template <class List, template <class> class Keep>
using filter_t = typename detail::filter<List, Keep>::type;

/// Members of A that are not in B.
template <class A, class B>
using difference_t = filter_t<A, detail::membership<B>::template out>;

/// Members of A that are also in B.
template <class A, class B>
using intersection_t = filter_t<A, detail::membership<B>::template in>;

/// Calls `f.template operator()<T>()` for every member, in order.
template <class... Ts, class Function>
constexpr void for_each_type(type_list<Ts...>, Function&& f) {
  (f.template operator()<Ts>(), ...);
}

} // namespace d2c
