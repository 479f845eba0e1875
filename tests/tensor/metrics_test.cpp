// Evaluation metrics against numbers found by hand.

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
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

TEST_CASE("distances: tiles cover every row once") {
  const Tensor rows = at::arange(40000, at::kFloat).view({-1, 1});
  std::int64_t next = 0;
  for_each_distance_tile(rows, rows.slice(0, 0, 4000), [&](std::int64_t begin, const Tensor& tile) {
    CHECK(begin == next);
    CHECK(tile.size(1) == 4000);
    CHECK(tile[0][0].item<float>() ==
          Approx(static_cast<double>(begin) * static_cast<double>(begin)));
    next = begin + tile.size(0);
  });
  CHECK(next == 40000);
}
