/// IDX, gzip and Fashion-MNIST. Oracles: files laid out by hand; the facts published with the data
/// set (60 000 + 10 000 images, balanced); the first labels of the training file.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <unordered_set>
#include <vector>

#include <zlib.h>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/data/load_fashion_mnist.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c_test::written;

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string idx_of(std::uint32_t magic, const std::vector<std::uint32_t>& shape,
                   const std::string& values) {
  std::string bytes = big_endian(magic);
  for (const auto extent : shape) {
    bytes += big_endian(extent);
  }
  return bytes + values;
}

std::string gzip_of(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

constexpr std::uint32_t three = 0x803;
constexpr std::uint32_t one = 0x801;

} // namespace

TEST_CASE("idx: plain and gzipped arrays are read") {
  const Folder folder;
  const std::string bytes = idx_of(three, {2, 1, 3}, "abcdef");
  const std::vector<std::uint8_t> values{'a', 'b', 'c', 'd', 'e', 'f'};
  const auto gzipped = gzip_of(bytes);
  // Several members in a row are one stream.
  const auto members = gzip_of(bytes.substr(0, 9)) + gzip_of(bytes.substr(9));
  const auto filled_up = gzipped + std::string(512, '\0'); // as from a tape
  for (const std::string& stored : {bytes, gzipped, members, filled_up}) {
    const auto array = d2c::read_idx(written(folder / "a", stored), 3);
    CHECK(array.shape == std::vector<std::int64_t>{2, 1, 3});
    CHECK(array.values == values);
  }
  CHECK(d2c::read_idx(written(folder / "none", idx_of(one, {0}, "")), 1).values.empty());
}

TEST_CASE("idx: a wrong file is refused with what was expected and found") {
  const Folder folder;
  const std::string good = idx_of(three, {2, 1, 3}, "abcdef");
  const std::string packed = gzip_of(good);
  std::string damaged = packed;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const Case cases[] = {
      {"nothing", "", "found the end of the file"},
      {"another magic", idx_of(one, {6}, "abcdef"), "0x00000803"},
      {"another type", idx_of(0xD03, {1, 1, 1}, "abcd"), "found 0x00000d03"},
      {"a PNG", "\x89PNG\r\n\x1a\nxxxxxxxxxxxx", "found 0x89504e47"},
      {"cut extents", good.substr(0, 10), "3 IDX extents"},
      {"cut values", good.substr(0, good.size() - 1), "expected 6 values (2 x 1 x 3), found 5"},
      {"more values", good + "x", "found more data behind"},
      {"a header of 2^96 values", idx_of(three, {~0U, ~0U, ~0U}, "abc"), "4294967295 x 4294967295"},
      {"a header that wraps to zero", idx_of(three, {0x80000000U, 0x80000000U, 4}, "abc"),
       "at most"},
      {"a zipped header of 2^32 values", gzip_of(idx_of(three, {65536, 256, 256}, "abc")),
       "at most"},
      {"a cut gzip file", packed.substr(0, packed.size() - 9), "truncated"},
      {"a gzip file cut in its trailer", packed.substr(0, packed.size() - 3), "truncated"},
      {"a gzip header alone", packed.substr(0, 10), "truncated"},
      {"a wrong gzip checksum", damaged, "damage"},
      {"more data in the gzip file", gzip_of(good + "x"), "found more data behind"},
      {"something else behind the gzip data", packed + "x", "1 bytes of something else behind"},
      {"something else behind zeros", packed + std::string(512, '\0') + "x",
       "513 bytes of something else behind"},
      {"a gzip file of something else", gzip_of("something else"), "found 0x736f6d65"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad", wrong.bytes);
    CHECK_THROWS_AS(d2c::read_idx(path, 3), d2c::InputError);
    CHECK_THROWS_WITH(d2c::read_idx(path, 3), Contains("bad") && Contains(wrong.message));
  }
  CHECK_THROWS_AS(d2c::read_idx(folder / "absent", 3), d2c::InputError);
}

TEST_CASE("fashion-mnist: the installed data set has its published facts") {
  const d2c::DataConfig config;
  for (const auto split : {d2c::Split::train, d2c::Split::test}) {
    const bool train = split == d2c::Split::train;
    const auto set = d2c::load_images(d2c::FashionMNIST{}, config, split);
    REQUIRE(set.size() == (train ? 60000 : 10000));
    CHECK(set.pixels.size() == static_cast<std::size_t>(set.size()) * 28 * 28);
    CHECK(set.classes() == 10);
    CHECK(set.class_names[9] == "Ankle boot");
    std::vector<int> count(10, 0);
    for (const auto label : set.labels) {
      ++count[static_cast<std::size_t>(label)];
    }
    CHECK(count == std::vector<int>(10, train ? 6000 : 1000));
    CHECK(set.ids[42] == (train ? "train/000042" : "test/000042"));
    CHECK(std::unordered_set<std::string>(set.ids.begin(), set.ids.end()).size() == set.ids.size());
    if (train) {
      // An ankle boot, a T-shirt, a T-shirt, a dress: the pictures of the data set's own page.
      CHECK(std::vector<std::int32_t>(set.labels.begin(), set.labels.begin() + 4) ==
            std::vector<std::int32_t>{9, 0, 0, 3});
    }
  }
  d2c::Problems problems;
  d2c::check_images(d2c::FashionMNIST{}, config, problems);
  CHECK(problems.empty());
}

TEST_CASE("fashion-mnist: a limit keeps the first images of each class") {
  d2c::DataConfig config;
  const auto all = d2c::load_images(d2c::FashionMNIST{}, config, d2c::Split::test);
  config.limit_per_class = 3;
  const auto few = d2c::load_images(d2c::FashionMNIST{}, config, d2c::Split::test);
  REQUIRE(few.size() == 30);
  for (std::int64_t i = 0; i < few.size(); ++i) {
    const auto place = std::stoll(few.ids[static_cast<std::size_t>(i)].substr(5));
    CHECK(few.labels[static_cast<std::size_t>(i)] == all.labels[static_cast<std::size_t>(place)]);
    CHECK(std::equal(few.image(i), few.image(i) + 784, all.image(place)));
    const auto label = few.labels[static_cast<std::size_t>(i)];
    CHECK(std::count(all.labels.begin(), all.labels.begin() + place, label) < 3);
  }
}

TEST_CASE("fashion-mnist: what is missing or does not fit is named") {
  const Folder folder;
  d2c::DataConfig config;
  config.root = folder.path().string();
  const auto load = [&] {
    return d2c::load_images(d2c::FashionMNIST{}, config, d2c::Split::train);
  };
  CHECK_THROWS_AS(load(), d2c::InputError);
  CHECK_THROWS_WITH(load(), Contains("dataset-fashion-mnist") && Contains(folder.path().string()));
  d2c::Problems problems;
  d2c::check_images(d2c::FashionMNIST{}, config, problems);
  CHECK(problems.list().size() == 4);

  const auto store = [&](std::uint32_t n, const std::string& labels, std::uint32_t side = 28) {
    written(folder / "train-images-idx3-ubyte",
            idx_of(three, {n, side, side}, std::string(n * side * side, 'p')));
    written(folder / "train-labels-idx1-ubyte",
            idx_of(one, {static_cast<std::uint32_t>(labels.size())}, labels));
  };
  const std::string ten{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  store(10, ten);
  CHECK(load().size() == 10);
  store(9, ten);
  CHECK_THROWS_WITH(load(), Contains("one label for each of the 9 images, found 10"));
  store(10, ten, 27);
  CHECK_THROWS_WITH(load(), Contains("28 x 28, found 27 x 27"));
  store(9, ten.substr(0, 9));
  CHECK_THROWS_WITH(load(), Contains("found none of \"Ankle boot\" (class 9)"));
  store(10, ten.substr(0, 9) + '\x0a');
  CHECK_THROWS_WITH(load(), Contains("labels 0 to 9, found 10 for image 9"));
  store(10, ten);
  config.limit_per_class = -1;
  CHECK_THROWS_WITH(load(), Contains("limit_per_class"));
}
