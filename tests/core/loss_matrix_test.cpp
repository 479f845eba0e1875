/// The loss matrix on disk. Oracle: the values that were written.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/score/loss_matrix.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Columns = std::vector<d2c::ScoreColumn>;
using Folder = d2c_test::ScratchFolder;
using d2c_test::content;

const d2c::ScoreColumn a{.time = 0.1, .seed = 7, .bank = 0, .sign = 1};
const d2c::ScoreColumn b{.time = 0.1, .seed = 7, .bank = 0, .sign = -1};
const d2c::ScoreColumn c{.time = 2.0 / 3.0, .seed = ~0ULL, .bank = 9, .shared_noise = false};

} // namespace

TEST_CASE("loss matrix: rows and columns come in shards, in any order") {
  const Folder folder;
  CHECK(d2c::LossMatrix::open(folder.path()).rows() == 0);
  using d2c::LossMatrix;
  const std::vector<float> first{1, 2, 3, 4};
  CHECK(LossMatrix::write_shard(folder.path(), 0, {a, b}, first).filename() ==
        "loss-00000.safetensors");
  const std::string before = content(folder / "loss-00000.safetensors");
  const std::vector<float> late{50, 60};
  CHECK(LossMatrix::write_shard(folder.path(), 1, {c}, late).filename() ==
        "loss-00001.safetensors");
  const auto partial = LossMatrix::open(folder.path());
  CHECK(partial.rows() == 3);
  CHECK(partial.columns() == Columns{a, b, c});
  CHECK(partial.has(0, 2, a));
  CHECK_FALSE(partial.has(0, 3, a));
  CHECK_FALSE(partial.has(0, 4, c));
  CHECK(partial.has(1, 3, c));
  CHECK(partial.first_missing({a, b}, 3) == 2);
  CHECK(partial.first_missing({a}, 1) == 1);
  CHECK(partial.first_missing({a, c}, 3) == 0);
  CHECK(partial.first_missing({{.time = 0.9}}, 3) == 0);
  CHECK_THROWS_WITH(partial.column(a), Contains("found none for image 2"));

  LossMatrix::write_shard(folder.path(), 2, {b, a}, std::vector<float>{6, 5});
  LossMatrix::write_shard(folder.path(), 0, {c}, std::vector<float>{40});
  const auto whole = LossMatrix::open(folder.path());
  CHECK(whole.column(a) == std::vector<float>{1, 3, 5});
  CHECK(whole.column(b) == std::vector<float>{2, 4, 6});
  CHECK(whole.values({c, a}) == std::vector<float>{40, 1, 50, 3, 60, 5});
  CHECK(whole.first_missing({a, b, c}, 3) == 3);
  CHECK(whole.first_missing({a, b, c}, 4) == 3);
  CHECK_THROWS_AS(whole.column({.time = 0.9}), d2c::InputError);
  // Later shards leave earlier ones as they are.
  CHECK(content(folder / "loss-00000.safetensors") == before);
}

TEST_CASE("loss matrix: a loss that is not finite is never written") {
  const Folder folder;
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> losses{1, 2, 3, bad};
    CHECK_THROWS_AS(d2c::LossMatrix::write_shard(folder.path(), 10, {a, b}, losses), d2c::Failure);
    CHECK_THROWS_WITH(d2c::LossMatrix::write_shard(folder.path(), 10, {a, b}, losses),
                      Contains("image 11") && Contains(b.text()));
  }
  CHECK_THROWS_AS(
      d2c::LossMatrix::write_shard(folder.path(), 0, {a, b}, std::vector<float>{1, 2, 3}),
      d2c::Failure);
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("loss matrix: a damaged or foreign shard is named") {
  const Folder folder;
  const std::vector<float> losses{1, 2, 3, 4};
  const auto path = d2c::LossMatrix::write_shard(folder.path(), 0, {a, b}, losses);
  const std::string good = content(path);
  const auto refuse = [&](const std::string& bytes, const char* message) {
    std::ofstream(path, std::ios::binary) << bytes;
    CHECK_THROWS_AS(d2c::LossMatrix::open(folder.path()), d2c::InputError);
    CHECK_THROWS_WITH(d2c::LossMatrix::open(folder.path()),
                      Contains("loss-00000.safetensors") && Contains(message));
  };
  std::string flipped = good;
  flipped[flipped.size() - 3] ^= 1;
  refuse(flipped, "checksum");
  refuse(good.substr(0, good.size() - 4), "truncated");
  refuse("", "at least 8 bytes");

  const auto with = [&](const std::map<std::string, std::string>& changes,
                        std::vector<std::int64_t> shape = {2, 2}) {
    const d2c::SafetensorsFile file{d2c::LossMatrix::write_shard(folder.path(), 0, {a, b}, losses)};
    auto metadata = file.metadata();
    fs::remove(file.path());
    for (const auto& [key, value] : changes) {
      metadata[key] = value;
    }
    d2c::write_safetensors(
        path, {{"loss", d2c::DType::F32, std::move(shape), std::as_bytes(std::span(losses))}},
        metadata);
  };
  const auto open_fails = [&](const char* message) {
    CHECK_THROWS_WITH(d2c::LossMatrix::open(folder.path()),
                      Contains("loss-00000.safetensors") && Contains(message));
  };
  fs::remove(path);
  with({{"format", "other"}});
  open_fails("\"other\"");
  with({{"columns", "[{}]"}});
  open_fails("describes its rows and columns");
  with({{"columns", "nonsense"}});
  open_fails("describes its rows and columns");
  with({{"row_begin", "-1"}});
  open_fails("another shape");
  with({{"row_begin", "900000000000"}});
  open_fails("row 900000000000");
  with({{"row_begin", "0"}}, {4, 1});
  open_fails("another shape");
  with({});
  CHECK_NOTHROW(d2c::LossMatrix::open(folder.path()));
  // The same cell twice.
  fs::copy_file(path, folder / "loss-00001.safetensors");
  CHECK_THROWS_WITH(d2c::LossMatrix::open(folder.path()),
                    Contains("loss-00001.safetensors") && Contains("image 0"));
  d2c::write_safetensors(folder / "loss-00001.safetensors", {});
  CHECK_THROWS_WITH(d2c::LossMatrix::open(folder.path()), Contains("metadata \"format\""));
  CHECK_THROWS_AS(d2c::LossMatrix::open(folder / "absent"), d2c::InputError);
}
