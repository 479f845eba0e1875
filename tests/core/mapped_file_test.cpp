/// Files mapped into memory, and read again without touching the mapping. Oracle: by hand.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/mapped_file.hpp>

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

TEST_CASE("mapped file: the mapping and a reader give the same bytes") {
  const d2c_test::ScratchFolder folder;
  d2c_test::written(folder / "a", "0123456789");
  const d2c::MappedFile file{folder / "a"};
  CHECK(file.text() == "0123456789");
  std::string out(4, ' ');
  const d2c::MappedFile::Reader reader{file};
  reader.read(file.bytes().subspan(3, 4), reinterpret_cast<std::byte*>(out.data()));
  CHECK(out == "3456");
  reader.read(file.bytes().subspan(10), nullptr);
}

TEST_CASE("mapped file: an empty file is an empty span") {
  const d2c_test::ScratchFolder folder;
  d2c_test::written(folder / "empty", "");
  const d2c::MappedFile file{folder / "empty"};
  CHECK(file.bytes().empty());
  d2c::MappedFile::Reader{file}.read(file.bytes(), nullptr);
}

TEST_CASE("mapped file: a reader refuses a file that became shorter, was replaced or went away") {
  const d2c_test::ScratchFolder folder;
  const fs::path path = folder / "a";
  d2c_test::written(path, "0123456789");
  const d2c::MappedFile file{path};
  std::vector<std::byte> out(10);
  const d2c::MappedFile::Reader reader{file};
  fs::resize_file(path, 6);
  CHECK_THROWS_AS(reader.read(file.bytes(), out.data()), d2c::InputError);
  CHECK_THROWS_WITH(reader.read(file.bytes(), out.data()),
                    Contains("expected 10 bytes, as when it was opened, found its end at byte 6"));
  fs::rename(path, folder / "kept");
  CHECK_THROWS_AS(d2c::MappedFile::Reader{file}, d2c::InputError);
  d2c_test::written(path, "0123456789");
  CHECK_THROWS_WITH(d2c::MappedFile::Reader{file}, Contains("found another one in its place"));
}

TEST_CASE("mapped file: folders and named pipes are refused at once") {
  const d2c_test::ScratchFolder folder;
  CHECK_THROWS_WITH(d2c::MappedFile{folder / ""}, Contains("expected a regular file"));
  const fs::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(d2c::MappedFile{pipe}, d2c::InputError);
  CHECK_THROWS_WITH(d2c::MappedFile{pipe}, Contains("expected a regular file"));
}
