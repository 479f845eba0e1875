// Evaluation metrics against numbers found by hand.

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/manifold_density.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

Tensor column(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).view({-1, 1});
}

FeatureMoments gaussian(std::initializer_list<double> mean,
                        std::initializer_list<double> variances) {
  return {at::tensor(at::ArrayRef<double>(mean), at::kDouble),
          at::diag(at::tensor(at::ArrayRef<double>(variances), at::kDouble)), 100};
}

} // namespace

TEST_CASE("frechet: diagonal Gaussians have a closed form") {
  // |(3, 4)|^2 + (1 - 2)^2 + (3 - 5)^2
  CHECK(frechet_distance(gaussian({0, 0}, {1, 9}), gaussian({3, 4}, {4, 25})) ==
        Approx(30.0).epsilon(1e-12));
  // A dimension without spread on one side: its variance counts in full.
  CHECK(frechet_distance(gaussian({0, 0}, {1, 0}), gaussian({0, 0}, {1, 7})) ==
        Approx(7.0).epsilon(1e-12));
}

TEST_CASE("frechet: rotated covariances, by hand") {
  // S1 = [[2, 1], [1, 2]] has the square root of eigenvalues 3 and 1; S2 is the identity.
  const auto rotated = FeatureMoments{
      at::zeros({2}, at::kDouble), at::tensor({2.0, 1.0, 1.0, 2.0}, at::kDouble).view({2, 2}), 9};
  CHECK(frechet_distance(rotated, gaussian({0, 0}, {1, 1})) ==
        Approx(4.0 + 2.0 - 2.0 * (std::sqrt(3.0) + 1.0)).epsilon(1e-12));
}

TEST_CASE("frechet: equal sets are at 0, also with fewer images than features") {
  const Tensor features = at::randn({20, 50}, at::kDouble) + 100.0;
  FeatureStatistics statistics;
  statistics.add(features);
  CHECK(frechet_distance(statistics.moments(), statistics.moments()) < 1e-6);
}

TEST_CASE("frechet: 2048 features of full rank against their closed form") {
  // Gaussian noise, centred and whitened so that its mean is 0 and its covariance 1 exactly, in two
  // spectra over one set of axes: |m|^2 + sum (sqrt a - sqrt b)^2.
  constexpr std::int64_t n = 2304;
  constexpr std::int64_t width = 2048;
  at::manual_seed(11);
  const Tensor noise = at::randn({n, width}, at::kDouble);
  const Tensor white = std::get<0>(at::linalg_qr(noise - noise.mean(0))) * std::sqrt(n - 1.0);
  const Tensor axes = std::get<0>(at::linalg_qr(at::randn({width, width}, at::kDouble)));
  const auto moments_of = [&](const Tensor& variances, const Tensor& mean) {
    const Tensor features = at::matmul(white * variances.sqrt(), axes.t()) + mean;
    FeatureStatistics statistics;
    for (const Tensor& batch : features.split(500)) {
      statistics.add(batch);
    }
    return statistics.moments();
  };
  // Six decades, and the other's spectrum in another order.
  const Tensor first = at::logspace(-4, 2, width, 10.0, at::kDouble);
  const Tensor second = first.roll(700) * 1.5;
  const Tensor mean = at::linspace(-0.1, 0.3, width, at::kDouble);
  const double expected =
      (mean.square().sum() + (first.sqrt() - second.sqrt()).square().sum()).item<double>();
  const FeatureMoments a = moments_of(first, at::zeros({width}, at::kDouble) + 5.0);
  const FeatureMoments b = moments_of(second, mean + 5.0);
  CHECK(frechet_distance(a, b) == Approx(expected).epsilon(1e-6));
  // Alike but for their means.
  CHECK(frechet_distance(a, moments_of(first, mean + 5.0)) ==
        Approx(mean.square().sum().item<double>()).epsilon(1e-6));
}

TEST_CASE("frechet: a NaN or another width is refused in one sentence") {
  CHECK_THROWS_WITH(frechet_distance(gaussian({0, 0}, {1, 1}), gaussian({0}, {1})),
                    Contains("one width"));
  CHECK_THROWS_WITH(frechet_distance(gaussian({0}, {1}),
                                     gaussian({0}, {std::numeric_limits<double>::quiet_NaN()})),
                    Contains("second set"));
}

TEST_CASE("feature statistics: mean and covariance with ddof 1, by hand, in any batches") {
  FeatureStatistics statistics;
  statistics.add(at::tensor({1.0, 10.0, 2.0, 20.0}, at::kFloat).view({2, 2}));
  statistics.add(at::tensor({6.0, 0.0}, at::kFloat).view({1, 2}));
  const auto moments = statistics.moments();
  CHECK(moments.count == 3);
  CHECK(at::allclose(moments.mean, at::tensor({3.0, 10.0}, at::kDouble)));
  CHECK(at::allclose(moments.covariance,
                     at::tensor({7.0, -20.0, -20.0, 100.0}, at::kDouble).view({2, 2})));
  CHECK_THROWS_WITH(statistics.add(at::zeros({1, 3})), Contains("[n, 2]"));
  CHECK_THROWS_WITH(FeatureStatistics{}.moments(), Contains("found 0"));
}

TEST_CASE("precision and recall: points on a line, by hand") {
  // k = 1: squared radii of the reference 0 1 3 are 1 1 4, of the samples 1.5 4.5 20 they are 9 9
  // 240.25. 1.5 lies in the balls of 1 and 3, 4.5 in that of 3, 20 in none. The reference: 0 is
  // within 3 of 1.5, 1 and 3 as well.
  const auto found = manifold_overlap(column({0, 1, 3}), column({1.5, 4.5, 20}), 1);
  CHECK(found.precision == Approx(2.0 / 3.0));
  CHECK(found.recall == Approx(1.0));
  // On the rim counts: 2 is exactly at the radius 1 of reference 1.
  CHECK(manifold_overlap(column({0, 1, 100, 101}), column({2, 2}), 1).precision == 1.0);
  CHECK(manifold_overlap(column({0, 1, 100, 101}), column({2.01, 50}), 1).precision == 0.0);
}

TEST_CASE("precision and recall: equal sets overlap fully, far ones not at all") {
  const Tensor points = at::randn({50, 8});
  const auto same = manifold_overlap(points, points);
  CHECK(same.precision == 1.0);
  CHECK(same.recall == 1.0);
  const auto far = manifold_overlap(points, points + 1000.0);
  CHECK(far.precision == 0.0);
  CHECK(far.recall == 0.0);
}

TEST_CASE("precision and recall: too few points are refused in one sentence") {
  CHECK_THROWS_WITH(manifold_overlap(at::zeros({3, 2}), at::zeros({9, 2}), 3),
                    Contains("found 3 points and neighbours = 3"));
  CHECK_THROWS_WITH(manifold_overlap(at::zeros({9, 2}), at::zeros({9, 3}), 3),
                    Contains("one width"));
  CHECK_THROWS_AS(manifold_overlap(at::zeros({9, 2}), at::zeros({9, 2}), 0), InputError);
}

TEST_CASE("copies: points on a line, by hand") {
  // Held-out distances to the training points 0 and 10: 1, 2, 3, 4, 5. Their 25th percentile is 2.
  const auto found =
      near_copies(column({0.5, 10, 11.9, 12.1, 5}).to(at::kFloat), column({0, 10}).to(at::kFloat),
                  column({1, -2, 13, 6, 15}).to(at::kFloat), 25);
  CHECK(found.threshold == Approx(2.0));
  CHECK(found.share == Approx(3.0 / 5.0));
  CHECK(found.samples.index[1].item<std::int64_t>() == 1);
  CHECK(found.samples.distance[1].item<double>() == 0.0); // an exact copy is at exactly 0
  CHECK(found.samples.distance[3].item<double>() == Approx(2.1));
}

TEST_CASE("copies: an empty set or a percentile outside 0..100 is refused in one sentence") {
  const Tensor some = at::zeros({4, 2});
  CHECK_THROWS_WITH(near_copies(some, at::zeros({0, 2}), some, 1), Contains("[0, 2]"));
  CHECK_THROWS_WITH(near_copies(some, some, some, 101), Contains("between 0 and 100"));
}

TEST_CASE("distances: tiles cover every pair once, and no tile is larger than it may be") {
  // |i - j|^2 of small integers is exact in any order of sums.
  const Tensor rows = at::arange(9000, at::kFloat).remainder(97).view({-1, 1});
  const Tensor columns = at::arange(5000, at::kFloat).remainder(89).view({-1, 1});
  const Tensor seen = at::zeros({9000, 5000}, at::kByte);
  bool exact = true;
  int tiles = 0;
  for_each_distance_tile(
      rows, columns, [&](std::int64_t row, std::int64_t column, const Tensor& tile) {
        const Tensor here = rows.slice(0, row, row + tile.size(0));
        const Tensor there = columns.slice(0, column, column + tile.size(1));
        exact = exact && at::equal(tile, (here - there.t()).square());
        seen.slice(0, row, row + tile.size(0)).slice(1, column, column + tile.size(1)).add_(1);
        CHECK(tile.numel() <= (1 << 24));
        ++tiles;
      });
  CHECK(exact);
  CHECK(tiles == 6); // boundaries in both directions
  CHECK(seen.min().item<int>() == 1);
  CHECK(seen.max().item<int>() == 1);
}

TEST_CASE("distances: boundaries of tiles in both directions change no metric") {
  // Small integers again, so that distances are exact; against the whole matrix in one piece.
  at::manual_seed(3);
  const Tensor real = at::randint(0, 40, {4500, 3}).to(at::kFloat);
  const Tensor made = at::randint(3, 44, {4300, 3}).to(at::kFloat);
  const auto whole = [](const Tensor& first, const Tensor& second) {
    return (first.unsqueeze(1) - second.unsqueeze(0)).square().sum(2);
  };
  const auto radii = [&](const Tensor& points, std::int64_t k) {
    return std::get<0>(whole(points, points).sort(1)).select(1, k);
  };
  const auto share = [](const Tensor& found) {
    return found.to(at::kDouble).mean().item<double>();
  };
  const Tensor between = whole(made, real);
  const Tensor real_radii = radii(real, 3);
  CHECK(at::equal(manifold_radii(real, 3), real_radii));
  const ManifoldOverlap overlap = manifold_overlap(real, made, 3);
  CHECK(overlap.precision == share((between <= real_radii).any(1)));
  CHECK(overlap.recall == share((between <= radii(made, 3).unsqueeze(1)).any(0)));
  CHECK(overlap.precision > 0.1);
  CHECK(overlap.precision < 0.9);
  const ManifoldDensity density = manifold_density(real, made, 3);
  const Tensor inside = between < real_radii;
  CHECK(density.density == Approx(share(inside) * 4500 / 3).epsilon(1e-12));
  CHECK(density.coverage == share(inside.any(0)));
  const NearestRows nearest = nearest_rows(made, real);
  CHECK(at::equal(nearest.distance, std::get<0>(between.min(1)).sqrt()));
  CHECK(
      at::equal(between.gather(1, nearest.index.unsqueeze(1)).squeeze(1).sqrt(), nearest.distance));
  Tensor others = whole(real, real);
  others.diagonal().fill_(std::numeric_limits<float>::infinity());
  CHECK(at::equal(nearest_other_rows(real).distance, std::get<0>(others.min(1)).sqrt()));
}

TEST_CASE("distances: more neighbours than a tile is wide") {
  const Tensor points = at::arange(4200, at::kFloat).view({-1, 1});
  const Tensor radii = manifold_radii(points, 4199); // the farthest other point
  CHECK(radii[0].item<float>() == 4199.0F * 4199.0F);
  CHECK(radii[4199].item<float>() == 4199.0F * 4199.0F);
  CHECK(radii[2100].item<float>() == 2100.0F * 2100.0F);
}
