// Metrics beyond distance, precision and recall, by hand: on one-hot classes, on a line and on two
// points. What Inception-v3 itself computes is in inception_reference_test.cpp.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/problem.hpp>
#include <d2c/evaluate/archive_parts.hpp>
#include <d2c/evaluate/class_score.hpp>
#include <d2c/evaluate/inception_v3_features.hpp>
#include <d2c/evaluate/kernel_distance.hpp>
#include <d2c/evaluate/legacy_permutation.hpp>
#include <d2c/evaluate/manifold_density.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

Tensor line(const std::vector<float>& values) {
  return at::tensor(values).view({-1, 1});
}

} // namespace

TEST_CASE("class score: sure and even classes score their number, one class scores 1") {
  // Log-probabilities so far apart that float64 has 0 for the others.
  const Tensor sure = at::eye(4).repeat({3, 1}) * 2000.0;
  CHECK(class_score(sure).mean == Approx(4.0).epsilon(1e-12));
  CHECK(class_score(sure, 4).deviation == Approx(0.0).margin(1e-12));
  CHECK(class_score(at::zeros({5, 7})).mean == Approx(1.0).epsilon(1e-12));
  CHECK(shuffled_class_score(sure, 1).mean == Approx(4.0).epsilon(1e-12));
  // Parts of 3 and 1 rows: the first knows three classes, the last one alone.
  const ClassScore parts = class_score(at::eye(4) * 2000.0, 3);
  CHECK(parts.mean == Approx(2.0).epsilon(1e-12));
  CHECK(parts.deviation == Approx(1.0).epsilon(1e-12));
  // Two images of probabilities (3/4, 1/4) and (1/4, 3/4): KL = 3/4 log 3/2 + 1/4 log 1/2.
  const Tensor logits = at::log(at::tensor({0.75, 0.25, 0.25, 0.75}).view({2, 2}));
  CHECK(class_score(logits).mean ==
        Approx(std::exp(0.75 * std::log(1.5) + 0.25 * std::log(0.5))).epsilon(1e-12));
  CHECK_THROWS_WITH(class_score(at::zeros({0, 4})), Contains("[0, 4]"));
  CHECK_THROWS_WITH(shuffled_class_score(sure, 13), Contains("13 parts"));
}

TEST_CASE("kernel distance: two points of each set, by hand") {
  // D = 1, kernel (uv + 1)^3. First set 0, 1; second 1, 2.
  // Within the first: k(0, 1) = 1. Within the second: k(1, 2) = 27. Between: k(0, 1) = 1,
  // k(0, 2) = 1, k(1, 1) = 8, k(1, 2) = 27, mean 37 / 4.
  const KernelDistance found = kernel_distance(line({0, 1}), line({1, 2}), 5, 2);
  CHECK(found.mean == Approx(1 + 27 - 2 * 37.0 / 4).epsilon(1e-12));
  CHECK(found.deviation == Approx(0.0).margin(1e-12));
  CHECK_THROWS_WITH(kernel_distance(line({0, 1}), line({1, 2, 3}), 5, 3), Contains("2 and 3"));
  CHECK_THROWS_WITH(kernel_distance(line({0, 1}), at::zeros({2, 2}), 5, 2), Contains("[2, 2]"));
}

TEST_CASE("density and coverage: on a line, by hand") {
  // Real 0, 1, 3, 10 with k = 1: radii 1, 1, 2, 7. Samples: 0.5 lies in the balls of 0 and 1 alone,
  // 3.5 in those of 3 and 10, 20 in none, 5 on the border of 3 and inside that of 10.
  const ManifoldDensity found = manifold_density(line({0, 1, 3, 10}), line({0.5, 3.5, 20, 5}), 1);
  CHECK(found.density == Approx((2 + 2 + 0 + 1) / 4.0).epsilon(1e-12));
  CHECK(found.coverage == Approx(1.0).epsilon(1e-12));
  CHECK(manifold_density(line({0, 1, 3, 10}), line({20, 21}), 1).coverage == 0.0);
  // The wide ball of an outlier holds samples that are near nothing: it alone is covered.
  const ManifoldDensity far = manifold_density(line({0, 1, 3, 1000}), line({500, 600}), 1);
  CHECK(far.density == Approx(1.0).epsilon(1e-12));
  CHECK(far.coverage == Approx(0.25).epsilon(1e-12));
  CHECK_THROWS_WITH(manifold_density(line({0, 1}), line({0}), 2), Contains("neighbours = 2"));
  CHECK_THROWS_WITH(manifold_density(line({0, 1}), at::zeros({0, 1}), 1), Contains("[0, 1]"));
}

TEST_CASE("permutations: every stream holds each number once, and two seeds differ") {
  LegacyPermutation stream{7};
  for (const std::int64_t n : {1, 2, 5, 64, 65}) {
    std::vector<bool> seen(static_cast<std::size_t>(n), false);
    for (const std::int64_t i : stream.next(n)) {
      REQUIRE(i >= 0);
      REQUIRE(i < n);
      seen[static_cast<std::size_t>(i)] = true;
    }
    CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
  }
  CHECK(stream.next(0).empty());
  CHECK(LegacyPermutation{1}.next(50) != LegacyPermutation{2}.next(50));
}

TEST_CASE("reference batch: parts may be missing, but not halves of them") {
  const d2c_test::ScratchFolder folder;
  const std::vector<std::uint8_t> pixels(2 * 3 * 4 * 3, 9);
  const std::vector<double> mean = {1, 2};
  const std::vector<double> covariance = {1, 0.5, 0.5, 2};
  const NpzArray images{"arr_0", DType::U8, {2, 3, 4, 3}, std::as_bytes(std::span(pixels))};
  const NpzArray mu{"mu", DType::F64, {2}, std::as_bytes(std::span(mean))};
  const NpzArray sigma{"sigma", DType::F64, {2, 2}, std::as_bytes(std::span(covariance))};
  const auto write = [&](const std::vector<NpzArray>& arrays) {
    write_npz(folder / "batch.npz", arrays);
    return folder / "batch.npz";
  };
  const ReferenceBatch only_images{write({images})};
  CHECK(only_images.size() == 2);
  CHECK(only_images.images(1, 2).sizes() == at::IntArrayRef{1, 3, 3, 4});
  CHECK_FALSE(only_images.moments());
  const ReferenceBatch only_moments{write({mu, sigma})};
  CHECK(only_moments.size() == 0);
  CHECK(only_moments.moments()->covariance[0][1].item<double>() == 0.5);
  CHECK_FALSE(only_moments.spatial_moments());
  CHECK_THROWS_WITH(ReferenceBatch{write({images, mu})}, Contains("\"mu\" and \"sigma\" together"));
  NpzArray other = mu;
  other.name = "other";
  CHECK_THROWS_WITH(ReferenceBatch{write({other})}, Contains("found neither"));
  NpzArray flat = sigma;
  flat.shape = {4};
  CHECK_THROWS_WITH(ReferenceBatch{write({mu, flat})}, Contains("\"sigma\"") && Contains("[2, 2]"));
  NpzArray grey = images;
  grey.shape = {2, 3, 12, 1};
  CHECK_THROWS_WITH(ReferenceBatch{write({grey})}, Contains("[n, H, W, 3]"));

  // Grey images are repeated, and a change of size part way is refused.
  const FeatureMoments moments{at::zeros({2}, at::kDouble), at::eye(2, at::kDouble), 9};
  const auto some = [](std::int64_t begin, std::int64_t end) {
    return at::full({end - begin, 1, begin == 0 ? 2 : 3, 2}, 5, at::kByte);
  };
  write_reference_batch(folder / "grey.npz", moments, {}, 4, some);
  const ReferenceBatch read{folder / "grey.npz"};
  CHECK(at::equal(read.images(0, 4), at::full({4, 3, 2, 2}, 5, at::kByte)));
  CHECK_FALSE(read.spatial_moments());
  CHECK_THROWS_WITH(write_reference_batch(folder / "other.npz", moments, {}, 300, some),
                    Contains("images of one size"));
  CHECK_FALSE(std::filesystem::exists(folder / "other.npz"));
}

TEST_CASE("reference batch: moments that are not finite are refused") {
  const d2c_test::ScratchFolder folder;
  for (const std::string name : {"mu", "sigma"}) {
    std::vector<double> mean = {1, 2};
    std::vector<double> covariance = {1, 0, 0, 2};
    (name == "mu" ? mean : covariance)[1] = std::numeric_limits<double>::infinity();
    write_npz(folder / "batch.npz",
              {{"mu", DType::F64, {2}, std::as_bytes(std::span(mean))},
               {"sigma", DType::F64, {2, 2}, std::as_bytes(std::span(covariance))}});
    CHECK_THROWS_WITH(ReferenceBatch{folder / "batch.npz"},
                      Contains("batch.npz: expected finite numbers in \"" + name +
                               "\", found a NaN or an infinity"));
  }
}

TEST_CASE("archive parts: which moments serve which resize") {
  const d2c_test::ScratchFolder folder;
  const auto moments = [](int width) {
    return FeatureMoments{at::zeros({width}, at::kDouble), at::eye(width, at::kDouble), 0};
  };
  const auto image = [](std::int64_t begin, std::int64_t end) {
    return at::zeros({end - begin, 3, 2, 2}, at::kByte);
  };
  write_reference_batch(folder / "adm.npz", moments(4), moments(3), 5, image);
  write_reference_batch(folder / "adm_moments.npz", moments(4), moments(3), 0, image);
  write_reference_batch(folder / "alone.npz", moments(4), {}, 0, image);
  const FeatureParts pooled{.moments = true};
  const FeatureParts both{.moments = true, .spatial = true};
  using Published = std::optional<PublishedMoments>;
  const Published tensorflow{{InceptionResize::tensorflow, 4, 3}};
  const Published half_pixel{{InceptionResize::half_pixel, 4, 3}};
  const auto found = [&](const char* file, const Published& published, const FeatureParts& asked) {
    const ArchiveParts parts = parts_of_archive(ReferenceBatch{folder / file}, published, asked);
    return (parts.stored.moments.mean.defined() ? "stored moments " : "") +
           std::string(parts.stored.spatial.mean.defined() ? "stored spatial " : "") +
           "images: " + text_of(parts.of_images);
  };
  CHECK(found("adm.npz", tensorflow, both) == "stored moments stored spatial images: ");
  CHECK(found("adm.npz", half_pixel, both) == "images: moments spatial");
  CHECK(found("adm.npz", {}, both) == "images: moments spatial");
  CHECK(found("adm.npz", tensorflow, both | FeatureParts{.neighbours = true}) ==
        "stored moments stored spatial images: neighbours");
  CHECK(found("adm.npz", tensorflow, pooled) == "stored moments images: ");
  CHECK(found("adm_moments.npz", tensorflow, both) == "stored moments stored spatial images: ");
  CHECK(found("alone.npz", tensorflow, pooled) == "stored moments images: ");
  CHECK(found("alone.npz", half_pixel, pooled) == "stored moments images: ");
  const auto refused = [&](const char* file, const Published& published, const FeatureParts& asked,
                           const std::string& sentence) {
    CHECK_THROWS_WITH(found(file, published, asked),
                      (folder / file).string() + ": expected " + sentence);
  };
  refused("adm_moments.npz", half_pixel, pooled,
          "images (arr_0) for the asked features (moments), found moments alone");
  refused("alone.npz", tensorflow, both,
          "images (arr_0) for the asked features (spatial), found moments alone");
  refused("alone.npz", {}, pooled,
          "images (arr_0) for the asked features (moments), found moments alone");
  refused("adm.npz", Published{{InceptionResize::tensorflow, 2048, 3}}, pooled,
          "\"mu\" of 2048 features, as Inception-v3 has them, found 4");
  refused("adm.npz", Published{{InceptionResize::tensorflow, 4, 2023}}, both,
          "\"mu_s\" of 2023 features, as Inception-v3 has them, found 3");
}

TEST_CASE("inception: features with spatial parts and class scores survive their cache") {
  const d2c_test::ScratchFolder folder;
  SetFeatures features{{at::rand({3}, at::kDouble), at::rand({3, 3}, at::kDouble), 8},
                       at::rand({8, 3})};
  save_features(folder / "plain", features);
  const auto plain = load_features(folder / "plain");
  REQUIRE(plain);
  CHECK_FALSE(plain->logits.defined());
  CHECK_FALSE(plain->spatial.mean.defined());
  features.spatial = {at::rand({2}, at::kDouble), at::rand({2, 2}, at::kDouble), 8};
  features.logits = at::rand({8, 5});
  save_features(folder / "whole", features);
  const auto whole = load_features(folder / "whole");
  REQUIRE(whole);
  CHECK(at::equal(whole->logits, features.logits));
  CHECK(at::equal(whole->spatial.covariance, features.spatial.covariance));
  CHECK(whole->spatial.count == 8);
}

TEST_CASE("inception: a missing file is a problem before anything runs") {
  Problems problems;
  EvaluateConfig config;
  check_feature_extractor(InceptionV3<>{}, config, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK(problems.list()[0].where == "[evaluate] inception_weights");
  CHECK_THAT(problems.list()[0].what,
             Contains("pt_inception-2015-12-05-6726825d.pth") && Contains("found no path"));
  config.inception_weights = "nowhere.pth";
  CHECK_THROWS_WITH(make_feature_extractor(InceptionV3<>{}, config, at::kCPU),
                    Contains("evaluate.inception_weights") && Contains("\"nowhere.pth\""));
}
