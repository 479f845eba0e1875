#include <catch.hpp>
#include <scratch_folder.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <d2c/io/atomic_file.hpp>

namespace fs = std::filesystem;

namespace {

using d2c_test::content;
using Folder = d2c_test::ScratchFolder;

auto entries(const Folder& folder) {
  return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{});
}

std::string failure_of(const auto& action) {
  try {
    action();
  } catch (const d2c::Failure& failure) {
    return failure.what();
  }
  return "no failure";
}

} // namespace

TEST_CASE("atomic file: the content appears on commit and replaces what was there") {
  const Folder folder;
  const fs::path path = folder / "a.txt";
  d2c::write_file_atomically(path, std::string_view("old"));
  {
    d2c::AtomicFile file(path);
    file.write("new ");
    file.write("text");
    CHECK(content(path) == "old");
    file.commit();
    CHECK_THROWS_AS(file.write("more"), d2c::Failure);
  }
  CHECK(content(path) == "new text");
  CHECK(entries(folder) == 1);
}

TEST_CASE("atomic file: without a commit nothing stays behind") {
  const Folder folder;
  {
    d2c::AtomicFile file(folder / "a.txt");
    file.write("half");
    CHECK(entries(folder) == 1);
  }
  CHECK(entries(folder) == 0);
}

TEST_CASE("atomic file: a missing folder is one sentence with path and reason") {
  const std::string text =
      failure_of([] { d2c::write_file_atomically("/nonexistent-d2c/x", std::string_view("a")); });
  CHECK(text == "cannot write /nonexistent-d2c/x: No such file or directory");
}
