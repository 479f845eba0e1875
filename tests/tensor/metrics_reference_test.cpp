// Oracles: numpy and scipy.linalg.sqrtm, and precision, recall and the copy audit as loops over
// pairs, run by tests/reference/metrics.py.

#include <cstdlib>
#include <filesystem>
#include <string>

#include <catch.hpp>

#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

Tensor expected(const std::string& name) {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/metrics.py wrote to");
  }
  static const SafetensorsFile file{std::filesystem::path(folder) / "metrics" /
                                    "metrics.safetensors"};
  return to_tensor(file, name);
}

FeatureMoments moments_of(const Tensor& features) {
  FeatureStatistics statistics;
  for (const Tensor& batch : features.split(128)) {
    statistics.add(batch);
  }
  return statistics.moments();
}

} // namespace

TEST_CASE("metrics reference: moments and Frechet distance agree with numpy and scipy") {
  const auto a = moments_of(expected("frechet.a"));
  const auto b = moments_of(expected("frechet.b"));
  CHECK(at::allclose(a.covariance, expected("frechet.covariance"), 1e-10, 1e-12));
  const double value = expected("frechet.value").item<double>();
  CHECK(frechet_distance(a, b) == Approx(value).epsilon(1e-8));
  CHECK(frechet_distance(b, a) == Approx(value).epsilon(1e-8));
}

TEST_CASE("metrics reference: precision and recall agree with a loop over pairs") {
  for (const int k : {1, 3, 5}) {
    const auto found =
        manifold_overlap(expected("overlap.reference"), expected("overlap.samples"), k);
    const Tensor loop = expected("overlap." + std::to_string(k));
    CHECK(found.precision == Approx(loop[0].item<double>()).epsilon(1e-12));
    CHECK(found.recall == Approx(loop[1].item<double>()).epsilon(1e-12));
  }
}

TEST_CASE("metrics reference: the copy audit agrees with a loop over pairs") {
  const auto found = near_copies(expected("copies.samples"), expected("copies.training"),
                                 expected("overlap.reference"), 2.5);
  CHECK(at::equal(found.samples.index, expected("copies.index")));
  CHECK(at::allclose(found.samples.distance.to(at::kDouble), expected("copies.distance"), 1e-5));
  CHECK(found.threshold == Approx(expected("copies.threshold").item<double>()).epsilon(1e-6));
  CHECK(found.share == Approx(expected("copies.share").item<double>()).epsilon(1e-12));
  CHECK(found.share >= 7.0 / 67.0); // the seven planted copies
}
