// What is said of files that the configuration should name. Oracle: sentences by hand.

#include <filesystem>
#include <string>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/weight_files.hpp>
#include <d2c/io/is_file.hpp>

using namespace d2c;

TEST_CASE("configured file: there, missing, not named, or where nobody may look") {
  const d2c_test::ScratchFolder folder;
  const auto file = d2c_test::written(folder / "w.bin", "weights").string();
  CHECK(configured_file_problem(file, "weights").empty());
  CHECK(configured_file_problem("", "weights") == "expected weights, found no path");
  CHECK(configured_file_problem(folder.path().string(), "weights") ==
        "expected weights, found no file \"" + folder.path().string() + "\"");
  // A loop of links, as a folder without permission (which stops no superuser), is an error to
  // std::filesystem.
  const auto loop = folder / "loop";
  std::filesystem::create_symlink(loop, loop);
  const auto inside = (loop / "w.bin").string();
  CHECK_THROWS(std::filesystem::is_regular_file(inside));
  CHECK_FALSE(is_file(inside));
  CHECK(configured_file_problem(inside, "weights") ==
        "expected weights, found no file \"" + inside + "\"");
  Problems problems;
  CHECK_FALSE(
      check_weight_file({"weights", "attach.text_weights", "package", "w.bin"}, inside, problems));
  CHECK(problems.list().size() == 1);
}
