#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <catch.hpp>

#include <d2c/core/diagnostics.hpp>

using namespace d2c::diagnostics;

namespace {

std::string read(const std::filesystem::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

const std::filesystem::path folder = std::filesystem::path{D2C_SOURCE_DIR} / "docs" / "errors";

void check_page(std::string_view code, std::string_view sentence) {
  CAPTURE(code);
  const std::string page = read(folder / (std::string{code} + ".md"));
  CHECK(page.starts_with("# " + std::string{code} + "\n"));
  CHECK(page.find("> " + std::string{sentence} + "\n") != std::string::npos);
  // Both compilers' lines are quoted with the sentence of today.
  const std::string line = "[" + std::string{code} + "] " + std::string{sentence};
  CHECK(page.find("error: static assertion failed: " + line) != std::string::npos);
  CHECK(page.find("\"" + line + "\"") != std::string::npos);
  CHECK(read(folder / "index.md").find("(" + std::string{code} + ".md)") != std::string::npos);
}

/// Returns the number of codes.
template <template <class...> class... Mistakes>
std::size_t check_pages() {
  (check_page(Mistakes<>::code, Mistakes<>::sentence), ...);
  return sizeof...(Mistakes);
}

/// How many codes diagnostics.hpp declares.
std::size_t declared_codes() {
  const std::string source =
      read(std::filesystem::path{D2C_SOURCE_DIR} / "include" / "d2c" / "core" / "diagnostics.hpp");
  constexpr std::string_view declaration = "\nD2C_MISTAKE(";
  std::size_t count = 0;
  for (std::size_t at = source.find(declaration); at != std::string::npos;
       at = source.find(declaration, at + 1)) {
    ++count;
  }
  return count;
}

} // namespace

TEST_CASE("error pages: every code has a page with its sentence and stands in the index") {
  const std::size_t checked =
      check_pages<contract_empty, stage_shape, slot_unknown, slot_duplicate, slot_required,
                  policy_shape, contract_repeated, contract_missing, contract_order,
                  contract_duplicate, policy_number, codec_dataset, model_size, model_patch,
                  model_mismatch, objective_parts, objective_family, aligner_objective,
                  sampler_objective, budget_interval>();
  CHECK(checked == declared_codes());
}

TEST_CASE("error pages: every page is of a code in the index") {
  const std::string index = read(folder / "index.md");
  int pages = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    const std::string name = entry.path().filename().string();
    if (name != "index.md") {
      CAPTURE(name);
      CHECK(index.find("(" + name + ")") != std::string::npos);
      ++pages;
    }
  }
  CHECK(pages >= 21);
}
