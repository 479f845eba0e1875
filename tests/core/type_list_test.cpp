#include <string>
#include <type_traits>

#include <catch.hpp>

#include <d2c/core/type_list.hpp>

using namespace d2c;

namespace {

struct A {};

struct B {};

struct C {};

} // namespace

TEST_CASE("type_list: membership, joining and removal of repetitions") {
  STATIC_REQUIRE(contains_v<type_list<A, B>, B>);
  STATIC_REQUIRE(!contains_v<type_list<A, B>, C>);
  STATIC_REQUIRE(!contains_v<type_list<>, A>);
  STATIC_REQUIRE(std::is_same_v<concat_t<>, type_list<>>);
  STATIC_REQUIRE(
      std::is_same_v<concat_t<type_list<A>, type_list<>, type_list<B, A>>, type_list<A, B, A>>);
  STATIC_REQUIRE(std::is_same_v<unique_t<type_list<B, A, B, A, C>>, type_list<B, A, C>>);
  STATIC_REQUIRE(std::is_same_v<unite_t<type_list<A, B>, type_list<C, A>>, type_list<A, B, C>>);
}

TEST_CASE("type_list: difference and intersection keep the order of the first list") {
  STATIC_REQUIRE(std::is_same_v<difference_t<type_list<A, B, C>, type_list<B>>, type_list<A, C>>);
  STATIC_REQUIRE(std::is_same_v<difference_t<type_list<>, type_list<B>>, type_list<>>);
  STATIC_REQUIRE(
      std::is_same_v<intersection_t<type_list<C, B, A>, type_list<A, C>>, type_list<C, A>>);
}

TEST_CASE("type_list: members are visited in order") {
  std::string seen;
  for_each_type(type_list<int, char, double>{},
                [&]<class T>() { seen += std::to_string(sizeof(T)); });
  CHECK(seen == "418");
}
