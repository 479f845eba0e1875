#pragma once
/// D2C_CONFIG: makes a plain aggregate readable from TOML and printable as TOML. Holds the
/// adaptation and the proof that no field was forgotten; reading is in load.hpp, writing in
/// dump.hpp.

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/hana/accessors.hpp>
#include <boost/hana/adapt_struct.hpp>
#include <boost/hana/core/to.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/for_each.hpp>
#include <boost/hana/length.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/string.hpp>
#include <boost/hana/tuple.hpp>

namespace d2c {

namespace detail {

/// Converts to anything, so that the number of initialisers an aggregate takes can be probed.
struct AnyField {
  template <class T>
  operator T() const; // never defined: only used in unevaluated operands
};

template <class T, std::size_t... I>
constexpr bool takes_fields(std::index_sequence<I...>) {
  return requires {
    T{(static_cast<void>(I), AnyField{})...};
  };
}

template <class T>
constexpr std::size_t adapted_field_count =
    decltype(boost::hana::length(boost::hana::accessors<T>()))::value;

template <class T>
constexpr bool
    adapted_completely = takes_fields<T>(std::make_index_sequence<adapted_field_count<T>>{}) &&
                         !takes_fields<T>(std::make_index_sequence<adapted_field_count<T> + 1>{});

} // namespace detail

/// A configuration section: a plain aggregate with defaults, adapted with D2C_CONFIG, that names
/// its TOML table by `static constexpr std::string_view section`.
template <class T>
concept ConfigSection = std::is_aggregate_v<T> && requires {
  { T::section } -> std::convertible_to<std::string_view>;
  boost::hana::accessors<T>();
};

/// Calls visit(name, field) for every field of a section, in the order of D2C_CONFIG. `name` is a
/// std::string_view, `field` a reference into `section` (const if `section` is).
template <class Section, class Visit>
void for_each_field(Section& section, Visit&& visit) {
  boost::hana::for_each(boost::hana::accessors<std::remove_const_t<Section>>(),
                        [&](const auto& accessor) {
                          constexpr auto name = decltype(boost::hana::first(accessor)){};
                          visit(std::string_view(boost::hana::to<const char*>(name)),
                                boost::hana::second(accessor)(section));
                        });
}

} // namespace d2c

/// Adapts an aggregate: `D2C_CONFIG(d2c::TrainConfig, steps, batch, ...)`, at global scope, every
/// field once (at most 54). A field that is missing in the list, or listed twice, does not compile.
#define D2C_CONFIG(TYPE, ...)                                                                      \
  BOOST_HANA_ADAPT_STRUCT(TYPE, __VA_ARGS__);                                                      \
  static_assert(d2c::detail::adapted_completely<TYPE>,                                             \
                "[d2c.config.fields] the adapted field list and the struct disagree. Fix: list "   \
                "every field once in D2C_CONFIG");
