/// Image files, folders and tar files of other programs. Oracles: Pillow, torchvision and Python's
/// tarfile, run by tests/reference/image_files.py.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/data/image_folder_source.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/tar_reader.hpp>

namespace {

namespace fs = std::filesystem;
using d2c_test::content;

fs::path reference_folder() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder above the one that tests/reference/image_files.py "
         "wrote to");
  }
  return fs::path(folder) / "image_files";
}

} // namespace

TEST_CASE("image files reference: every kind decodes to Pillow's RGB") {
  const auto folder = reference_folder();
  std::ifstream cases(folder / "cases.txt");
  std::string name;
  int width = 0;
  int height = 0;
  int checked = 0;
  while (cases >> name >> width >> height) {
    INFO(name);
    const auto image = d2c::read_image(folder / "files" / name);
    const std::string expected = content(folder / "files" / (name + ".rgb"));
    REQUIRE(image.width == width);
    REQUIRE(image.height == height);
    REQUIRE(image.rgb.size() == expected.size());
    int most = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      most = std::max(most,
                      std::abs(int(image.rgb[i]) - int(static_cast<unsigned char>(expected[i]))));
    }
    CHECK(most == 0);
    ++checked;
  }
  CHECK(checked > 150);
}

TEST_CASE(
    "image files reference: a truncated file is read where Pillow reads it, a PNG with its sums") {
  const auto folder = reference_folder();
  std::ifstream verdicts(folder / "truncations.txt");
  std::string name;
  std::string before;
  std::string whole;
  std::vector<std::uint8_t> rgb;
  std::size_t length = 0;
  int accepted = 0;
  int checked = 0;
  int stricter = 0;
  for (; verdicts >> name >> length >> accepted; ++checked) {
    if (name != before) {
      whole = content(folder / "whole" / name);
      rgb = d2c::read_image(folder / "whole" / name).rgb;
      before = name;
    }
    bool read = true;
    try {
      const auto image = d2c::decode_image(name, std::as_bytes(std::span(whole.data(), length)));
      CHECK(image.rgb == rgb);
    } catch (const d2c::InputError& error) {
      read = false;
    }
    INFO(name << " cut to " << length << " of " << whole.size() << " bytes");
    if (name.ends_with(".jpg")) {
      CHECK(read == (accepted == 1));
    } else {
      CHECK((!read || accepted == 1));
      stricter += accepted == 1 && !read ? 1 : 0;
    }
  }
  CHECK(checked > 3000);
  // Pillow does not miss deflate's end mark and the two checksums of 4 bytes behind the pixels.
  CHECK(stricter >= 3 * 8);
  CHECK(stricter <= 3 * 12);
}

TEST_CASE("image files reference: what Pillow refuses is refused in one sentence") {
  int checked = 0;
  for (const auto& file : fs::directory_iterator(reference_folder() / "refused")) {
    INFO(file.path().filename());
    try {
      d2c::read_image(file.path());
      FAIL("was read");
    } catch (const d2c::InputError& error) {
      const std::string sentence = error.what();
      INFO(sentence);
      CHECK(sentence.starts_with(file.path().string() + ": expected "));
      CHECK(sentence.find(", found ") != std::string::npos);
      CHECK(sentence.find('\n') == std::string::npos);
    }
    ++checked;
  }
  CHECK(checked == 8);
}

TEST_CASE("image files reference: a folder is listed as torchvision lists it") {
  const auto folder = reference_folder();
  const d2c::ImageFolderSource source{folder / "tree"};
  std::ifstream lines(folder / "tree.txt");
  std::int64_t i = 0;
  int label = 0;
  std::string path;
  while (lines >> label && std::getline(lines >> std::ws, path)) {
    REQUIRE(i < source.size());
    CHECK(source.id(i) == path);
    CHECK(source.label(i) == label);
    ++i;
  }
  CHECK(i == source.size());
  CHECK(i > 10);
  CHECK(source.class_names() == std::vector<std::string>{"Zebra", "a b", "cat", "dog", "ähre"});
}

TEST_CASE("image files reference: tar files of each format list Python's members") {
  for (const std::string format : {"ustar", "gnu", "pax"}) {
    INFO(format);
    const auto folder = reference_folder() / "shards";
    const d2c::MappedFile file{folder / (format + ".tar")};
    const auto entries = d2c::read_tar("shard", file.bytes());
    std::ifstream lines(folder / (format + ".txt"));
    std::size_t i = 0;
    std::size_t size = 0;
    std::string byte;
    std::string name;
    while (lines >> size >> byte && std::getline(lines >> std::ws, name)) {
      REQUIRE(i < entries.size());
      CHECK(entries[i].name == name);
      REQUIRE(entries[i].bytes.size() == size);
      const auto value = size == 0 ? std::byte{0} : std::byte(std::stoi(byte, nullptr, 16));
      CHECK(std::all_of(entries[i].bytes.begin(), entries[i].bytes.end(),
                        [&](std::byte b) { return b == value; }));
      ++i;
    }
    CHECK(i == entries.size());
    CHECK(i >= 5);
  }
}
