/// Preparing images: oracles are the parts by hand (decode, crop, planes) and the bytes of a call
/// on one thread without interruption.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <child_process.hpp>
#include <failing_disk.hpp>
#include <scratch_folder.hpp>

#include <d2c/data/pixel_content.hpp>
#include <d2c/data/prepare.hpp>
#include <d2c/io/csv.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using d2c_test::ScratchFolder;

/// Pictures of differing sizes that depend on their index alone; some cannot be decoded.
class Pictures : public d2c::ImageSource {
public:
  explicit Pictures(std::int64_t count, std::vector<std::int64_t> broken = {})
      : count_{count}, broken_{std::move(broken)} {}

  [[nodiscard]] std::int64_t size() const override { return count_; }

  [[nodiscard]] std::int32_t label(std::int64_t i) const override {
    return static_cast<std::int32_t>(i % 3);
  }

  [[nodiscard]] std::string id(std::int64_t i) const override {
    return names_[static_cast<std::size_t>(label(i))] + "/" + std::to_string(i) + ".png";
  }

  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }

  [[nodiscard]] d2c::DecodedImage decode(std::int64_t i) const override {
    if (on_decode) {
      on_decode(i);
    }
    if (std::find(broken_.begin(), broken_.end(), i) != broken_.end()) {
      throw d2c::InputError(id(i) + ": expected a sound PNG file, found \"damage\", and more");
    }
    d2c::DecodedImage image;
    image.width = 20 + static_cast<int>(i * 37 % 90);
    image.height = 20 + static_cast<int>(i * 53 % 70);
    image.rgb.resize(3 * static_cast<std::size_t>(image.width) *
                     static_cast<std::size_t>(image.height));
    for (std::size_t k = 0; k < image.rgb.size(); ++k) {
      image.rgb[k] =
          static_cast<std::uint8_t>((static_cast<std::size_t>(i) * 7 + k * k / 11) % 256);
    }
    return image;
  }

  std::function<void(std::int64_t)> on_decode;

private:
  std::int64_t count_;
  std::vector<std::int64_t> broken_;
  std::vector<std::string> names_{"ant", "bee, big", "cat"};
};

/// Small images in small shards.
d2c::PrepareOptions small(int threads = 1) {
  return {.height = 24, .width = 24, .shard_images = 8, .refused_share = 0.2, .threads = threads};
}

d2c::PrepareResult prepare(const d2c::ImageSource& source, const fs::path& folder,
                           const d2c::PrepareOptions& options) {
  fs::create_directories(folder);
  d2c::Progress silent(true);
  return d2c::prepare(source, folder, options, silent);
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = d2c_test::content(entry.path());
  }
  return files;
}

constexpr std::int64_t child_images = 400;

Pictures child_pictures() {
  return Pictures(child_images, {3, 100, 101, 399});
}

} // namespace

TEST_CASE("prepare: images are decoded, cropped and stored in order, as by hand") {
  const ScratchFolder scratch;
  const Pictures source(21);
  const auto result = prepare(source, scratch / "set", small());
  CHECK(result.images == 21);
  CHECK(result.refused == 0);
  CHECK(result.shards_made == 3);
  const d2c::ImageSet set = d2c::open_prepared(scratch / "set");
  REQUIRE(set.size() == 21);
  CHECK(set.channels == 3);
  CHECK(set.height == 24);
  CHECK(set.width == 24);
  CHECK(set.class_names == source.class_names());
  CHECK(set.pixels.empty());
  for (std::int64_t i = 0; i < set.size(); ++i) {
    INFO("image " << i);
    CHECK(set.labels[static_cast<std::size_t>(i)] == source.label(i));
    CHECK(set.ids[static_cast<std::size_t>(i)] == source.id(i));
    const auto decoded = source.decode(i);
    const auto square = d2c::adm_centre_crop({decoded.width, decoded.height, 3, decoded.rgb}, 24);
    bool equal = true;
    for (std::size_t k = 0; k < 24 * 24; ++k) {
      for (std::size_t c = 0; c < 3; ++c) {
        equal = equal && set.image(i)[c * 24 * 24 + k] == square.pixels[3 * k + c];
      }
    }
    CHECK(equal);
  }
  CHECK(d2c_test::content(scratch / "set" / "refused.csv") == "id,reason\n");
}

TEST_CASE("prepare: the bytes of all files are those of one thread, whatever the threads") {
  const ScratchFolder scratch;
  const Pictures source(75, {4, 5, 40, 74});
  prepare(source, scratch / "1", small(1));
  const auto expected = files_of(scratch / "1");
  CHECK(expected.size() == 10 + 2);
  for (const int threads : {2, 3, 4}) {
    prepare(source, scratch / std::to_string(threads), small(threads));
    CHECK(files_of(scratch / std::to_string(threads)) == expected);
  }
}

TEST_CASE("prepare: files that cannot be decoded are listed with the reason and left out") {
  const ScratchFolder scratch;
  const Pictures source(30, {2, 17, 29});
  const auto result = prepare(source, scratch / "set", small(2));
  CHECK(result.images == 27);
  CHECK(result.refused == 3);
  d2c::CsvReader table{scratch / "set" / "refused.csv"};
  CHECK(table.header() == std::vector<std::string>{"id", "reason"});
  std::vector<std::string> row;
  for (const std::int64_t broken : {2, 17, 29}) {
    REQUIRE(table.next(row));
    CHECK(row[0] == source.id(broken));
    CHECK(row[1] == source.id(broken) + ": expected a sound PNG file, found \"damage\", and more");
  }
  CHECK_FALSE(table.next(row));
  const d2c::ImageSet set = d2c::open_prepared(scratch / "set");
  CHECK(set.size() == 27);
  CHECK(std::find(set.ids.begin(), set.ids.end(), source.id(17)) == set.ids.end());
  CHECK(set.ids[2] == source.id(3));
}

TEST_CASE("prepare: a line too long to be scaled is refused, and the rest prepared") {
  // Scaled to a shorter side of 256, it has 2^31 pixels.
  class WithLine : public Pictures {
  public:
    using Pictures::Pictures;

    [[nodiscard]] d2c::DecodedImage decode(std::int64_t i) const override {
      d2c::DecodedImage image = Pictures::decode(i);
      if (i == 5 || i == 6) {
        image.width = i == 5 ? 1 : 1 << 23;
        image.height = i == 5 ? 1 << 23 : 1;
        image.rgb.assign(std::size_t{3} << 23, 7);
      }
      return image;
    }
  };

  const ScratchFolder scratch;
  auto options = small();
  options.height = options.width = 256;
  const auto result = prepare(WithLine(12), scratch / "set", options);
  CHECK(result.images == 10);
  CHECK(result.refused == 2);
  const std::string refused = d2c_test::content(scratch / "set" / "refused.csv");
  CHECK_THAT(refused, Contains("cat/5.png: expected an image whose longer side fits after scaling, "
                               "found 1 x 8388608"));
  CHECK_THAT(refused, Contains("ant/6.png: expected") && Contains("found 8388608 x 1"));
  // One pixel less fits.
  d2c::ByteImage longest{(1 << 23) - 1, 1, 3, {}};
  longest.pixels.assign(longest.bytes(), 7);
  CHECK(d2c::adm_centre_crop(std::move(longest), 256).pixels ==
        std::vector<std::uint8_t>(std::size_t{3} * 256 * 256, 7));
}

TEST_CASE("prepare: more refused files than the share end the call, and are tried again") {
  const ScratchFolder scratch;
  const auto folder = scratch / "set";
  auto options = small(2);
  options.refused_share = 0.05;
  CHECK_THROWS_MATCHES(
      prepare(Pictures(40, {1, 2, 30}), folder, options), d2c::InputError,
      Catch::Matchers::Predicate<d2c::InputError>([](const d2c::InputError& error) {
        const std::string text = error.what();
        return text.find("refused.csv: expected at most 5 % of 40 files refused, found 3") !=
                   std::string::npos &&
               text.find("the first being bee, big/1.png (bee, big/1.png: expected a sound PNG") !=
                   std::string::npos;
      }));
  CHECK(fs::exists(folder / "refused.csv"));
  // Seen before its class is complete in finished shards: the sentence stays the same.
  options.refused_share = 0;
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_WITH(prepare(Pictures(20, {9}), scratch / "early", options),
                      Contains("refused.csv: expected at most 0 % of 20 files refused, found 1"));
  }
  options.refused_share = 0.05;
  CHECK_FALSE(fs::exists(folder / "prepared.json"));
  CHECK_THROWS_WITH(d2c::open_prepared(folder), Contains("found an unfinished or damaged one"));
  // The files are repaired: their shards are made again, the others kept.
  const auto result = prepare(Pictures(40), folder, options);
  CHECK(result.images == 40);
  CHECK(result.shards_kept >= 2); // the last one may not have been begun
  CHECK(result.shards_made >= 2);
  prepare(Pictures(40), scratch / "fresh", options);
  CHECK(files_of(folder) == files_of(scratch / "fresh"));
}

TEST_CASE("prepare: images of the right size stay as they are, even where none could be cropped") {
  const ScratchFolder scratch;
  const Pictures source(1);
  auto options = small();
  options.refused_share = 1;
  const auto decoded = source.decode(0);
  options.width = decoded.width;
  options.height = decoded.height + 1;
  CHECK_THROWS_AS(prepare(source, scratch / "set", options), d2c::InputError);
  CHECK_THAT(
      d2c_test::content(scratch / "set" / "refused.csv"),
      Contains("expected an image of 20 x 21, which is no square to crop to, found 20 x 20"));

  // 57 x 73, all of them.
  class Equal : public Pictures {
  public:
    using Pictures::Pictures;

    [[nodiscard]] d2c::DecodedImage decode(std::int64_t) const override {
      return Pictures::decode(1);
    }
  };

  const Equal equal(3);
  options.width = 57;
  options.height = 73;
  CHECK(prepare(equal, scratch / "equal", options).images == 3);
  const auto set = d2c::open_prepared(scratch / "equal");
  CHECK(set.height == 73);
  CHECK(set.width == 57);
  const auto rgb = equal.decode(0).rgb;
  bool same = true;
  for (std::size_t k = 0; k < rgb.size(); ++k) {
    same = same && set.image(2)[k % 3 * 57 * 73 + k / 3] == rgb[k];
  }
  CHECK(same);
}

TEST_CASE("prepare: what names the pixels depends on no shard's size and on no path") {
  // Refusals that name the file with its path, as the decoders' do.
  class Rooted : public Pictures {
  public:
    explicit Rooted(std::string root, bool darker = false)
        : Pictures(30), root_{std::move(root)}, darker_{darker} {}

    [[nodiscard]] d2c::DecodedImage decode(std::int64_t i) const override {
      if (i == 11) {
        throw d2c::InputError(root_ + "/" + id(i) + ": expected a sound PNG file, found damage");
      }
      d2c::DecodedImage image = Pictures::decode(i);
      if (darker_ && i == 29) {
        std::fill(image.rgb.begin(), image.rgb.end(), std::uint8_t{0});
      }
      return image;
    }

  private:
    std::string root_;
    bool darker_;
  };

  const ScratchFolder scratch;
  const auto content = [&](const std::string& name, const Rooted& source, std::int64_t shard) {
    auto options = small();
    options.shard_images = shard;
    prepare(source, scratch / name, options);
    return d2c::pixel_content(d2c::open_prepared(scratch / name));
  };
  const std::string expected = content("a", Rooted("/one"), 8);
  CHECK(content("b", Rooted("/one"), 20) == expected);
  CHECK(content("c", Rooted("/another/root"), 8) == expected);
  CHECK(content("d", Rooted("/one", true), 8) != expected);
}

TEST_CASE("prepare: a class of which nothing is left is refused by name") {
  const ScratchFolder scratch;
  auto options = small();
  options.refused_share = 1;
  CHECK_THROWS_WITH(prepare(Pictures(6, {1, 4}), scratch / "set", options),
                    Contains("expected images of every class, found none of \"bee, big\""));
}

TEST_CASE("prepare: no more than two unfinished shards are held") {
  const ScratchFolder scratch;
  Pictures source(80);
  std::mutex mutex;
  std::condition_variable changed;
  bool released = false;
  std::int64_t farthest = 0;
  source.on_decode = [&](std::int64_t i) {
    std::unique_lock lock(mutex);
    farthest = std::max(farthest, i);
    changed.notify_all();
    if (i % 8 == 0) {
      changed.wait(lock, [&] { return released; });
    }
  };
  std::thread caller([&] { prepare(source, scratch / "set", small(4)); });
  {
    // No shard of eight can end: two threads wait, two run ahead to image 15 and stay there.
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, std::chrono::seconds(20), [&] { return farthest == 15; }));
    CHECK_FALSE(
        changed.wait_for(lock, std::chrono::milliseconds(200), [&] { return farthest > 15; }));
    released = true;
    changed.notify_all();
  }
  caller.join();
  CHECK(d2c::open_prepared(scratch / "set").size() == 80);
}

TEST_CASE("prepare: a finished folder is kept, a damaged shard alone is made again") {
  const ScratchFolder scratch;
  const auto folder = scratch / "set";
  Pictures source(30);
  prepare(source, folder, small());
  const auto expected = files_of(folder);
  std::atomic<int> decoded = 0;
  source.on_decode = [&](std::int64_t) { ++decoded; };
  CHECK(prepare(source, folder, small()).shards_kept == 4);
  CHECK(decoded == 0);

  // A byte of a picture: seen by the hash, which is compared on demand.
  std::string damaged = expected.at("images-00001.safetensors");
  damaged[damaged.size() / 2] ^= 1;
  d2c_test::written(folder / "images-00001.safetensors", damaged);
  auto options = small();
  CHECK(prepare(source, folder, options).shards_kept == 4);
  options.verify = true;
  CHECK(prepare(source, folder, options).shards_kept == 3);
  CHECK(decoded == 8);
  CHECK(files_of(folder) == expected);

  // A short file: seen by its size.
  d2c_test::written(folder / "images-00002.safetensors", damaged.substr(0, 500));
  CHECK_THROWS_AS(d2c::open_prepared(folder), d2c::InputError);
  CHECK(prepare(source, folder, small()).shards_made == 1);
  CHECK(files_of(folder) == expected);
}

TEST_CASE("prepare: another list of files or another shard size is made anew") {
  const ScratchFolder scratch;
  const auto folder = scratch / "set";
  prepare(Pictures(30), folder, small());
  CHECK(prepare(Pictures(20), folder, small()).shards_kept == 2);
  prepare(Pictures(20), scratch / "fresh", small());
  CHECK(files_of(folder) == files_of(scratch / "fresh"));
  auto options = small();
  options.shard_images = 20;
  CHECK(prepare(Pictures(20), folder, options).shards_made == 1);
  CHECK(d2c::open_prepared(folder).size() == 20);
}

TEST_CASE("prepare: an error that is no refusal ends the call, and the next one goes on") {
  const ScratchFolder scratch;
  Pictures source(60);
  source.on_decode = [](std::int64_t i) {
    if (i == 37) {
      throw d2c::Failure("the disk is gone");
    }
  };
  CHECK_THROWS_WITH(prepare(source, scratch / "set", small(3)), Contains("the disk is gone"));
  source.on_decode = {};
  CHECK(prepare(source, scratch / "set", small(3)).shards_kept >= 2);
  prepare(source, scratch / "fresh", small());
  CHECK(files_of(scratch / "set") == files_of(scratch / "fresh"));
}

TEST_CASE("prepare: a full disk and a failing flush cost no finished shard") {
  const ScratchFolder scratch;
  const Pictures source(40, {11});
  prepare(source, scratch / "whole", small());
  const auto expected = files_of(scratch / "whole");
  long long total = 0;
  for (const auto& [name, bytes] : expected) {
    total += static_cast<long long>(bytes.size());
  }
  const auto failure_with = [&](const fs::path& folder, d2c_test::DiskFaults faults) {
    const d2c_test::FailingDisk disk(folder, faults);
    try {
      prepare(source, folder, small(3));
    } catch (const d2c::Failure& failure) {
      return std::string(failure.what());
    }
    return std::string("no failure");
  };
  for (int tenth = 0; tenth < 10; ++tenth) {
    const auto folder = scratch / std::to_string(tenth);
    fs::create_directories(folder);
    INFO("room for " << tenth << " tenths");
    CHECK_THAT(failure_with(folder, {.room = total * tenth / 10}),
               Contains("cannot write " + folder.string()) && Contains("No space left"));
    std::int64_t finished = 0;
    for (const auto& [name, bytes] : files_of(folder)) {
      CHECK(bytes == expected.at(name));
      finished += name.starts_with("images-") ? 1 : 0;
    }
    CHECK(prepare(source, folder, small(2)).shards_kept == finished);
    CHECK(files_of(folder) == expected);
  }
  for (int flush = 1; flush <= 7; ++flush) {
    const auto folder = scratch / ("flush " + std::to_string(flush));
    fs::create_directories(folder);
    INFO("flush " << flush);
    CHECK_THAT(failure_with(folder, {.failing_flush = flush}),
               Contains("cannot write " + folder.string()));
    CHECK(prepare(source, folder, small(2)).images == 39);
    CHECK(files_of(folder) == expected);
  }
}

TEST_CASE("prepare: child process", "[.child]") {
  const auto source = child_pictures();
  prepare(source, d2c_test::child_folder() / "set", small(3));
}

TEST_CASE("prepare: killed at random moments, the files end as those of one call") {
  const ScratchFolder scratch;
  prepare(child_pictures(), scratch / "whole", small());
  const auto expected = files_of(scratch / "whole");
  std::uint32_t draw = 12345;
  int killed = 0;
  for (int round = 0; round < 3; ++round) {
    const ScratchFolder folder;
    for (int attempt = 0;; ++attempt) {
      REQUIRE(attempt < 200);
      const pid_t child = d2c_test::start_child("prepare: child process", folder.path());
      draw = draw * 1664525 + 1013904223;
      std::this_thread::sleep_for(std::chrono::microseconds(3000 + draw % 30000 * (attempt + 1)));
      ::kill(child, SIGKILL);
      if (!d2c_test::was_killed(child)) {
        break;
      }
      ++killed;
    }
    CHECK(files_of(folder / "set") == expected);
  }
  CHECK(killed > 0);
}
