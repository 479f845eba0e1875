#include <catch.hpp>
#include <scratch_folder.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <d2c/io/atomic_file.hpp>
#include <d2c/io/leftovers.hpp>

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

TEST_CASE("atomic file: what an earlier process of the same number left is not in the way") {
  const Folder folder;
  std::string taken;
  {
    const d2c::AtomicFile file(folder / "a.txt");
    taken = fs::directory_iterator(folder.path())->path().string();
  }
  const auto dash = taken.rfind('-') + 1;
  const int number = std::stoi(taken.substr(dash));
  for (int next = 1; next <= 3; ++next) {
    d2c_test::written(taken.substr(0, dash) + std::to_string(number + next), "half");
  }
  d2c::write_file_atomically(folder / "a.txt", std::string_view("whole"));
  CHECK(content(folder / "a.txt") == "whole");
  CHECK(entries(folder) == 4); // the leftovers are somebody else's to remove
}

TEST_CASE("atomic file: a missing folder is one sentence with path and reason") {
  const std::string text =
      failure_of([] { d2c::write_file_atomically("/nonexistent-d2c/x", std::string_view("a")); });
  CHECK(text == "cannot write /nonexistent-d2c/x: No such file or directory");
}

TEST_CASE("atomic file: what a killed process left is removed, what a living one writes is not") {
  const Folder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const std::string gone = ".tmp-" + std::to_string(child);
  d2c_test::written(folder / ("a.json" + gone + "-0"), "half");
  fs::create_directory(folder / ("score-00" + gone));
  d2c_test::written(folder / ("score-00" + gone) / "b.json", "half");
  fs::create_symlink("nowhere", folder / ("scores" + gone));
  d2c::AtomicFile living(folder / "c.json");
  d2c_test::written(folder / "d.tmp-x", "somebody's own");
  CHECK(entries(folder) == 5);
  d2c::remove_leftovers(folder.path());
  CHECK(entries(folder) == 2);
  CHECK(fs::exists(folder / "d.tmp-x"));
  living.write("whole");
  living.commit();
  CHECK(content(folder / "c.json") == "whole");
  CHECK_NOTHROW(d2c::remove_leftovers(folder / "none"));
}
