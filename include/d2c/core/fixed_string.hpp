#pragma once
/// A string whose characters are a value: usable as a template argument and built at compile time.

#include <cstddef>
#include <string_view>

namespace d2c {

/// Holds N characters (without the terminating zero). Structural, so `Named<"d2c", ...>` works.
template <std::size_t N>
struct fixed_string {
  char characters[N + 1] = {};

  constexpr fixed_string() = default;

  constexpr fixed_string(const char (&text)[N + 1]) {
    for (std::size_t i = 0; i < N; ++i) {
      characters[i] = text[i];
    }
  }

  [[nodiscard]] static constexpr std::size_t size() { return N; }

  [[nodiscard]] constexpr std::string_view view() const { return {characters, N}; }

  constexpr operator std::string_view() const { return view(); }
};

template <std::size_t N>
fixed_string(const char (&)[N]) -> fixed_string<N - 1>;

/// The N characters of `text`.
template <std::size_t N>
constexpr fixed_string<N> fixed_string_of(std::string_view text) {
  fixed_string<N> copy;
  for (std::size_t i = 0; i < N; ++i) {
    copy.characters[i] = text[i];
  }
  return copy;
}

/// Concatenation; either side may be a string literal.
template <std::size_t N, std::size_t M>
constexpr fixed_string<N + M> operator+(const fixed_string<N>& left, const fixed_string<M>& right) {
  fixed_string<N + M> joined;
  for (std::size_t i = 0; i < N; ++i) {
    joined.characters[i] = left.characters[i];
  }
  for (std::size_t i = 0; i < M; ++i) {
    joined.characters[N + i] = right.characters[i];
  }
  return joined;
}

template <std::size_t N, std::size_t M>
constexpr fixed_string<N - 1 + M> operator+(const char (&left)[N], const fixed_string<M>& right) {
  return fixed_string<N - 1>(left) + right;
}

template <std::size_t N, std::size_t M>
constexpr fixed_string<N + M - 1> operator+(const fixed_string<N>& left, const char (&right)[M]) {
  return left + fixed_string<M - 1>(right);
}

namespace detail {

constexpr std::size_t decimal_digits(long long value) {
  std::size_t digits = value < 0 ? 2 : 1;
  for (value /= 10; value != 0; value /= 10) {
    ++digits;
  }
  return digits;
}

} // namespace detail

/// A whole number in decimal: `"Interval<" + decimal<96>() + ">"` is "Interval<96>".
template <long long Value>
constexpr auto decimal() {
  constexpr std::size_t digits = detail::decimal_digits(Value);
  fixed_string<digits> text;
  long long rest = Value;
  for (std::size_t i = digits; i > (Value < 0 ? 1u : 0u); --i) {
    const long long digit = rest % 10;
    text.characters[i - 1] = static_cast<char>('0' + (digit < 0 ? -digit : digit));
    rest /= 10;
  }
  if (Value < 0) {
    text.characters[0] = '-';
  }
  return text;
}

} // namespace d2c
