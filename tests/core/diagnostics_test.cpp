#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>

#include <d2c/core/diagnostics.hpp>

using namespace d2c::diagnostics;

namespace {

struct Entry {
  std::string_view code;
  std::string_view sentence;
};

template <template <class...> class... Mistakes>
std::vector<Entry> entries() {
  return {{Mistakes<>::code, Mistakes<>::sentence}...};
}

const std::vector<Entry> catalogue =
    entries<contract_empty, stage_shape, slot_unknown, slot_duplicate, slot_required, policy_shape,
            contract_repeated, contract_missing, contract_order, contract_duplicate, policy_number,
            codec_dataset, model_size, model_patch, model_mismatch, objective_parts,
            objective_family, aligner_objective, sampler_objective, budget_interval>();

} // namespace

TEST_CASE("diagnostics: every sentence keeps the house's rules") {
  // Rules by hand: ASCII, no semicolon and no quotes (they split or end strings of build tools),
  // a remedy at the end, short enough for one line of a terminal twice over.
  for (const auto& [code, sentence] : catalogue) {
    CAPTURE(code, sentence);
    CHECK(code.starts_with("d2c."));
    CHECK(code.size() + 3 + sentence.size() <= 180);
    CHECK(sentence.find("Fix: ") != std::string_view::npos);
    CHECK(sentence.find_first_of(";\"'`") == std::string_view::npos);
    CHECK(sentence.back() != '.');
    for (const char c : sentence) {
      CHECK((c >= ' ' && c <= '~'));
    }
  }
}

TEST_CASE("diagnostics: codes are unique") {
  std::set<std::string_view> codes;
  for (const Entry& entry : catalogue) {
    codes.insert(entry.code);
  }
  CHECK(codes.size() == catalogue.size());
}

TEST_CASE("diagnostics: nothing is raised where nothing is wrong") {
  STATIC_REQUIRE(raise(passed{}));
}
