#include <string>
#include <string_view>
#include <type_traits>

#include <catch.hpp>

#include <d2c/core/fixed_string.hpp>

using namespace d2c;

namespace {

template <fixed_string Text>
struct Labelled {};

} // namespace

TEST_CASE("fixed_string: text is a template argument by its characters") {
  STATIC_REQUIRE(std::is_same_v<Labelled<"random">, Labelled<"random">>);
  STATIC_REQUIRE(!std::is_same_v<Labelled<"random">, Labelled<"rand">>);
}

TEST_CASE("fixed_string: texts are joined at compile time") {
  constexpr auto text = "Interval<" + decimal<96>() + ">";
  STATIC_REQUIRE(text.view() == "Interval<96>");
  STATIC_REQUIRE(text.size() == 12);
  constexpr fixed_string empty = "";
  STATIC_REQUIRE((empty + text).view() == text.view());
  STATIC_REQUIRE(std::string_view{text + empty} == "Interval<96>");
}

TEST_CASE("fixed_string: numbers are written in decimal") {
  CHECK(decimal<0>().view() == "0");
  CHECK(decimal<7>().view() == "7");
  CHECK(decimal<10>().view() == "10");
  CHECK(decimal<-45>().view() == "-45");
  CHECK(decimal<9223372036854775807LL>().view() == "9223372036854775807");
  CHECK(decimal<-9223372036854775807LL - 1>().view() == std::to_string(-9223372036854775807LL - 1));
}
