#pragma once
/// Contracts: what a stage or policy needs and provides. Declared as Hana sets, lowered once to
/// type lists through hana::unpack, and only then combined, because folding Hana sets themselves
/// costs seconds from eight stages on.

#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/hana/core/tag_of.hpp>
#include <boost/hana/set.hpp>
#include <boost/hana/type.hpp>
#include <boost/hana/unpack.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/type_list.hpp>

namespace d2c {

namespace detail {

template <class Set>
inline constexpr bool is_hana_set =
    std::is_same_v<boost::hana::tag_of_t<std::remove_cvref_t<Set>>, boost::hana::set_tag>;

template <class Set>
using lowered = typename decltype(boost::hana::unpack(std::declval<const Set&>(),
                                                      boost::hana::template_<type_list>))::type;

template <class T>
struct own_needs {
  using type = type_list<>;
};

template <class T>
  requires requires {
    T::needs;
  }

struct own_needs<T> {
  using type = lowered<std::remove_cvref_t<decltype(T::needs)>>;
};

template <class T>
struct own_provides {
  using type = type_list<>;
};

template <class T>
  requires requires {
    T::provides;
  }

struct own_provides<T> {
  using type = lowered<std::remove_cvref_t<decltype(T::provides)>>;
};

template <class T>
struct policies_of {
  using type = type_list<>;
};

template <class T>
  requires requires {
    typename T::policies;
  }

struct policies_of<T> {
  using type = typename T::policies;
};

template <class T, class Policies>
struct united;

template <class T, class... Policies>
struct united<T, type_list<Policies...>> {
  using needs = unite_t<typename own_needs<T>::type, typename own_needs<Policies>::type...>;
  using provides =
      unite_t<typename own_provides<T>::type, typename own_provides<Policies>::type...>;
};

} // namespace detail

/// The artifacts T itself lists (without its policies'), repetitions included.
template <class T>
using own_needs_t = typename detail::own_needs<T>::type;

template <class T>
using own_provides_t = typename detail::own_provides<T>::type;

/// The policies of a stage with defaults filled in; empty for a type without any.
template <class Stage>
using policies_of_t = typename detail::policies_of<Stage>::type;

/// The whole contract of a stage: its own sets united with those of its policies, as type lists.
template <class Stage>
using needs_t = typename detail::united<Stage, policies_of_t<Stage>>::needs;

template <class Stage>
using provides_t = typename detail::united<Stage, policies_of_t<Stage>>::provides;

/// The names of a list of artifacts at run time.
template <class... Artifacts>
std::vector<std::string_view> names_of(type_list<Artifacts...>) {
  return {std::string_view{Artifacts::name}...};
}

} // namespace d2c
