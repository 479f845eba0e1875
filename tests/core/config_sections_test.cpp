#include <catch.hpp>

#include <string>
#include <type_traits>

#include <d2c/app/standard_sections.hpp>
#include <d2c/config/dump.hpp>
#include <d2c/config/load.hpp>
#include <d2c/config/read.hpp>

namespace {

/// The section with every field away from its default.
template <class Section>
Section changed() {
  Section section;
  d2c::for_each_field(section, [](std::string_view, auto& field) {
    using Field = std::remove_reference_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      field = !field;
    } else if constexpr (std::is_floating_point_v<Field>) {
      field = field / 2 + 0.03; // stays within the range of shares
    } else if constexpr (std::is_arithmetic_v<Field>) {
      field = static_cast<Field>(field + Field{1});
    } else if constexpr (std::is_same_v<Field, std::string>) {
      field += "-\"changed\"";
    } else {
      field = {0.125, 1e-7};
    }
  });
  return section;
}

template <class Section>
bool equal(const Section& a, const Section& b) {
  bool same = true;
  d2c::for_each_field(a, [&](std::string_view name, const auto& left) {
    d2c::for_each_field(b, [&](std::string_view other, const auto& right) {
      if constexpr (std::is_same_v<decltype(left), decltype(right)>) {
        same = same && (name != other || left == right);
      }
    });
  });
  return same;
}

} // namespace

TEST_CASE("config: every section of the library loads back what was dumped") {
  d2c::for_each_type(d2c::StandardSections{}, []<class Section>() {
    for (const Section& section : {Section{}, changed<Section>()}) {
      const std::string text = d2c::dump(section);
      INFO(text);
      d2c::ConfigFile file = d2c::parse_config(text, "x.toml");
      d2c::Problems problems;
      const auto loaded = d2c::load<Section>(file, problems);
      d2c::report_unknown(file, problems);
      CHECK(problems.text() == "");
      CHECK(equal(loaded, section));
    }
    CHECK_FALSE(equal(Section{}, changed<Section>()));
  });
}
