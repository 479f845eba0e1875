// What judging images takes and says: sets in archives and folders, features kept of a stream, and
// the sentences of d2c-evaluate. Oracles: by hand. Its numbers are compared in
// tests/programs/evaluate.py.

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <sanitized.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/evaluate_program.hpp>
#include <d2c/evaluate/feature_accumulator.hpp>
#include <d2c/evaluate/judged_set.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/png.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

/// Features are the first eight pixels.
struct FirstPixels : FeatureExtractor {
  ImageFeatures extract(const Tensor& images) const override {
    const Tensor some = images.flatten(1).slice(1, 0, 8).to(at::kFloat);
    return {some, some, some, some};
  }

  std::filesystem::path file() const override { return {}; }
};

double relative(const Tensor& found, const Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

std::int64_t resident_bytes() {
  std::ifstream in{"/proc/self/statm"};
  std::int64_t all = 0;
  std::int64_t resident = 0;
  in >> all >> resident;
  return resident * 4096;
}

void write_image(const std::filesystem::path& path, int width, int height, std::uint8_t value) {
  std::filesystem::create_directories(path.parent_path());
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) * height * 3, value);
  write_png(path, pixels, width, height, 3);
}

struct Ended {
  int code = 0;
  std::string out;
  std::string err;
};

std::string taken(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

Ended evaluate(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"d2c-evaluate"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  std::FILE* out = std::tmpfile();
  std::FILE* err = std::tmpfile();
  Ended ended;
  ended.code = evaluate_program(static_cast<int>(argv.size()), argv.data(), out, err);
  ended.out = taken(out);
  ended.err = taken(err);
  return ended;
}

} // namespace

TEST_CASE("feature accumulator: how a stream is cut changes nothing") {
  // Far from zero, where sums of squares would lose their digits.
  const Tensor all = at::randn({500, 12}) * at::arange(1, 13) + 3000.0;
  const auto gathered = [&](std::int64_t batch) {
    FeatureAccumulator features{all_feature_parts, 500};
    for (const Tensor& some : all.split(batch)) {
      features.add({some, some, some, some});
    }
    return features.finish();
  };
  const SetFeatures whole = gathered(500);
  const Tensor exact = all.to(at::kDouble);
  CHECK(relative(whole.moments.mean, exact.mean(0)) < 1e-14);
  CHECK(relative(whole.moments.covariance, exact.t().cov()) < 1e-12);
  for (const std::int64_t batch : {1, 7, 64, 499}) {
    INFO(batch);
    const SetFeatures found = gathered(batch);
    CHECK(found.moments.count == 500);
    CHECK(relative(found.moments.mean, whole.moments.mean) < 1e-14);
    CHECK(relative(found.moments.covariance, whole.moments.covariance) < 1e-12);
    CHECK(relative(found.spatial.covariance, whole.spatial.covariance) < 1e-12);
    CHECK(at::equal(found.neighbours, all));
    CHECK(at::equal(found.logits, all));
  }
}

TEST_CASE("feature accumulator: only what was asked for is kept, and all of it must come") {
  const Tensor some = at::rand({4, 3});
  FeatureAccumulator moments{{.moments = true}, 4};
  moments.add({some, some, some, some});
  const SetFeatures kept = moments.finish();
  CHECK(kept.moments.count == 4);
  CHECK_FALSE(kept.neighbours.defined());
  CHECK_FALSE(kept.spatial.mean.defined());
  CHECK_FALSE(kept.logits.defined());

  FeatureAccumulator few{{.neighbours = true}, 5};
  few.add({some, some});
  CHECK_THROWS_WITH(few.finish(), Contains("expected 5 images, found 4"));
  CHECK_THROWS_WITH(few.add({some, some}), Contains("expected 5 images, found 8"));
  const Tensor wide = at::rand({1, 2});
  CHECK_THROWS_WITH(few.add({wide, wide}), Contains("width 3") && Contains("width 2"));
}

TEST_CASE("feature accumulator: 50 000 images pass through the memory of one batch") {
  constexpr std::int64_t count = 50'000;
  constexpr std::int64_t batch = 100;
  const FirstPixels network;
  std::int64_t alive = 0;
  std::int64_t most = 0;
  std::int64_t early = 0;
  const auto images = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin;
    const auto pixels = std::make_shared<std::vector<std::uint8_t>>(
        static_cast<std::size_t>(n) * 3 * 64 * 64, static_cast<std::uint8_t>(begin % 251));
    alive += n;
    most = std::max(most, alive);
    if (begin == 5000) {
      early = resident_bytes();
    }
    return at::from_blob(
        pixels->data(), {n, 3, 64, 64}, [&alive, pixels, n](void*) { alive -= n; }, at::kByte);
  };
  Progress silent(true);
  const SetFeatures found =
      set_features_of(network, count, images, batch, "", silent, {.moments = true});
  CHECK(found.moments.count == count);
  CHECK(alive == 0);
  CHECK(most == batch);
  // All images are 614 MB; what grows here is none of them.
  CHECK(resident_bytes() - early < (d2c_test::sanitized() ? 400'000'000 : 100'000'000));
}

TEST_CASE("near copies: training images stand for held-out ones, each against the others") {
  const auto line = [](const std::vector<float>& values) {
    return at::tensor(values).view({-1, 1});
  };
  // Nearest others of 0, 1, 5, 12: at 1, 1, 4, 7; their 25th percentile is 1.
  const Tensor training = line({0, 1, 5, 12});
  const NearestRows others = nearest_other_rows(training);
  CHECK(at::equal(others.distance, at::tensor({1.0F, 1.0F, 4.0F, 7.0F})));
  CHECK(at::equal(others.index, at::tensor({1, 0, 1, 2}, at::kLong)));
  const NearCopies found = near_copies(line({0.5F, 5, 100}), training, Tensor{}, 25);
  CHECK(found.threshold == Approx(1.0).epsilon(1e-12));
  CHECK(found.share == Approx(2.0 / 3).epsilon(1e-12));
  CHECK_THROWS_WITH(near_copies(line({1}), line({1}), Tensor{}, 25),
                    Contains("at least 2 training images"));
}

TEST_CASE("judged set: a folder is its images at any depth, in the order of their paths") {
  const d2c_test::ScratchFolder folder;
  write_image(folder / "set/b/2.png", 4, 3, 20);
  write_image(folder / "set/b/10.PNG", 4, 3, 10);
  write_image(folder / "set/a.png", 5, 3, 1);
  write_image(folder / "set/c.png", 4, 3, 30);
  d2c_test::written(folder / "set/notes.txt", "no image");
  const JudgedSet set{folder / "set"};
  REQUIRE(set.size() == 4);
  CHECK(set.name(0) == "a.png");
  CHECK(set.name(1) == "b/10.PNG");
  CHECK(set.name(2) == "b/2.png");
  const auto groups = set.images(0, 4);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].sizes() == at::IntArrayRef{1, 3, 3, 5});
  CHECK(groups[1].sizes() == at::IntArrayRef{3, 3, 3, 4});
  CHECK(
      groups[1].select(1, 0).select(1, 0).select(1, 0).equal(at::tensor({10, 20, 30}, at::kByte)));
  CHECK(set.images(2, 3).front().equal(at::full({1, 3, 3, 4}, 20, at::kByte)));
  CHECK_FALSE(set.archive());

  d2c_test::written(folder / "set/d.png", "GIF89a");
  const JudgedSet damaged{folder / "set"};
  CHECK_THROWS_WITH(damaged.images(3, 5), Contains("d.png") && Contains("a GIF"));
  CHECK_THROWS_WITH(JudgedSet{folder / "nowhere"}, Contains("nowhere: expected an .npz archive"));
  std::filesystem::create_directory(folder / "empty");
  CHECK_THROWS_WITH(JudgedSet{folder / "empty"}, Contains("expected image files, found none"));
}

TEST_CASE("judged set: links to files and folders are followed, a circle is refused") {
  const d2c_test::ScratchFolder folder;
  using std::filesystem::create_directory_symlink;
  write_image(folder / "elsewhere/b/2.png", 4, 3, 20);
  write_image(folder / "set/a.png", 4, 3, 10);
  create_directory_symlink(folder / "elsewhere", folder / "set/linked");
  create_directory_symlink(folder / "elsewhere/b", folder / "set/twice"); // no circle
  std::filesystem::create_symlink(folder / "elsewhere/b/2.png", folder / "set/z.png");
  std::filesystem::create_symlink(folder / "nowhere.png", folder / "set/dangling.png");
  const JudgedSet set{folder / "set"};
  REQUIRE(set.size() == 4);
  CHECK(set.name(0) == "a.png");
  CHECK(set.name(1) == "linked/b/2.png");
  CHECK(set.name(2) == "twice/2.png");
  CHECK(set.name(3) == "z.png");
  CHECK(set.images(1, 2).front().equal(at::full({1, 3, 3, 4}, 20, at::kByte)));
  create_directory_symlink(folder / "set", folder / "elsewhere/b/back");
  CHECK_THROWS_WITH(JudgedSet{folder / "set"}, Contains("found a link that leads back to"));
}

TEST_CASE("d2c-evaluate: what is wrong is said in a sentence before anything is computed") {
  const d2c_test::ScratchFolder folder;
  write_image(folder / "set/1.png", 4, 3, 20);
  write_image(folder / "set/2.png", 4, 3, 90);
  const std::string set = (folder / "set").string();
  const std::vector<double> numbers = {1, 0, 0, 2};
  const auto bytes = std::as_bytes(std::span(numbers));
  write_npz(folder / "moments.npz",
            {{"mu", DType::F64, {2}, bytes.first(16)}, {"sigma", DType::F64, {2, 2}, bytes}});
  const std::string moments = (folder / "moments.npz").string();
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& sentence) {
    const Ended ended = evaluate(arguments);
    INFO(ended.err);
    CHECK(ended.code == 2);
    CHECK(ended.out.empty());
    CHECK_THAT(ended.err, Catch::Matchers::StartsWith("error: ") && Contains(sentence));
    CHECK(ended.err.find('\n') == ended.err.size() - 1);
  };
  refused({}, "command line: SAMPLES is required");
  refused({set, set, "--metric", "fid"}, "command line: ");
  refused({set}, "expected REFERENCE for fid, found SAMPLES alone");
  refused({set, set, "--metrics", "fid,fod"}, "--metrics: expected some of fid, sfid");
  refused({set, set, "--convention", "tf"}, "--convention: expected adm");
  refused({set, set, "--metrics", "sfid", "--convention", "pytorch-fid"}, "of pytorch-fid");
  refused({set, set, "--batch", "0"}, "--batch: expected at least 1 image, found 0");
  refused({set, set, "--copy-percentile", "101"}, "--copy-percentile: expected a number from 0");
  refused({set, set, "--device", "tpu"}, "device: expected cpu, cuda or cuda:N");
  refused({set + "s", set}, "sets: expected an .npz archive or a folder of images");
  refused({set, set, "--metrics", "fid"},
          "--inception: expected a file with the Inception weights of FID "
          "(pt_inception-2015-12-05-6726825d.pth), found no path");
  refused({set, set, "--metrics", "copies", "--dinov2", "w.pth"},
          "--dinov2: expected a file with the DINOv2 weights (dinov2_vitl14_pretrain.pth), found "
          "no file \"w.pth\"");
  refused({set, moments, "--metrics", "precision"}, "moments.npz: expected images");
  refused({moments, set, "--metrics", "is"}, "moments.npz: expected images");
  for (const auto& sets : {std::pair{set, moments}, std::pair{moments, set}}) {
    refused({sets.first, sets.second, "--metrics", "fid"},
            "moments.npz: expected \"mu\" of 2048 features, as Inception-v3 has them, found 2");
  }
  refused({set, set, "--metrics", "precision"},
          "--neighbours: expected at least 4 images, found 2 in " + set);
  refused({set, set, "--metrics", "kid"}, "--kid-subset-size: expected at least 1000 images");
  refused({set, "--metrics", "is", "--convention", "torch-fidelity"},
          "is: expected at least 10 images, found 2 in " + set);
  write_image(folder / "one/1.png", 4, 3, 20);
  const std::string one = (folder / "one").string();
  refused({set, one, "--metrics", "copies"},
          "copies: expected at least 2 images, found 1 in " + one);
  refused({one, set, "--metrics", "fid"}, "moments: expected at least 2 images, found 1 in " + one);
  const std::vector<double> infinite = {1, 0, 0, std::numeric_limits<double>::infinity()};
  write_npz(folder / "infinite.npz",
            {{"mu", DType::F64, {2}, bytes.first(16)},
             {"sigma", DType::F64, {2, 2}, std::as_bytes(std::span(infinite))}});
  refused({set, (folder / "infinite.npz").string(), "--metrics", "fid"},
          "infinite.npz: expected finite numbers in \"sigma\", found a NaN or an infinity");
  for (const char* option : {"--json", "--write-reference"}) {
    refused({set, set, option, set + "/no/where"}, std::string(option) +
                                                       ": expected a folder to write " + set +
                                                       "/no/where into, found none");
    refused({set, set, option, set},
            std::string(option) + ": expected a file to write, found the folder");
    refused({set, set, option, set + "/"}, ": expected a file to write, found the folder");
  }
  refused({set, set, "--metrics", "fid", "--inception", set + "/1.png"}, "1.png");

  const Ended help = evaluate({"--help"});
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Contains("SAMPLES") && Contains("--write-reference"));
  CHECK(evaluate({"--version"}).out == "d2c " + std::string(version) + "\n");
}
