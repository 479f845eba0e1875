#include <cmath>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>

#include <catch.hpp>

using d2c::DdpmSchedule;

namespace {

bool near(double found, double expected, double relative) {
  return std::abs(found - expected) <= relative * std::abs(expected);
}

} // namespace

// Oracle: values printed by the DiT code (gaussian_diffusion.py, respace.py) in float64.
TEST_CASE("ddpm schedule: the 1000 steps have DiT's numbers") {
  const auto& s = DdpmSchedule::full();
  REQUIRE(s.steps() == 1000);
  CHECK(near(s.alpha_bar[0], 0.9999, 1e-15));
  CHECK(near(s.alpha_bar[1], 0.9997800920720721, 1e-14));
  CHECK(near(s.alpha_bar[100], 0.8951415908975365, 1e-14));
  CHECK(near(s.alpha_bar[250], 0.5214230306185275, 1e-13));
  CHECK(near(s.alpha_bar[500], 0.07779665836502389, 1e-13));
  CHECK(near(s.alpha_bar[750], 0.003300158361569426, 1e-13));
  CHECK(near(s.alpha_bar[999], 4.035829765375676e-05, 1e-13));
  CHECK(s.beta[0] == 9.999999999998899e-05); // not 1e-4: betas are recomputed from alpha-bar
  CHECK(near(s.posterior_log_variance_clipped[0], -9.816725135295949, 1e-12));
  CHECK(s.posterior_log_variance_clipped[0] == s.posterior_log_variance_clipped[1]);
  CHECK(s.posterior_variance[0] == 0);
  CHECK(s.network_time.front() == 0);
  CHECK(s.network_time.back() == 999);
}

TEST_CASE("ddpm schedule: 250 steps are DiT's respacing, rounded half to even") {
  const auto s = DdpmSchedule::respaced(250);
  REQUIRE(s.steps() == 250);
  const std::vector<int> head(s.network_time.begin(), s.network_time.begin() + 12);
  const std::vector<int> tail(s.network_time.end() - 6, s.network_time.end());
  CHECK(head == std::vector<int>{0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44});
  CHECK(tail == std::vector<int>{979, 983, 987, 991, 995, 999});
  CHECK(s.beta[0] == 9.999999999998899e-05);
  CHECK(near(s.beta[1], 0.0005990655644756426, 1e-12));
  CHECK(near(s.beta[2], 0.0009176029928172902, 1e-12));
  CHECK(near(s.beta[249], 0.07751934499235003, 1e-12));
  CHECK(near(s.posterior_log_variance_clipped[0], -9.364628159803084, 1e-12));
  // The kept alpha-bars are those of the whole schedule.
  for (std::size_t i = 0; i < 250; ++i) {
    const auto index = static_cast<std::size_t>(s.network_time[i]);
    REQUIRE(near(s.alpha_bar[i], DdpmSchedule::full().alpha_bar[index], 1e-12));
  }
}

TEST_CASE("ddpm schedule: positions halfway between two steps go to the even one") {
  // 3 steps: 0, 499.5, 999. Half to even gives 500; 999/2 rounded down would give 499.
  CHECK(DdpmSchedule::respaced(3).network_time == std::vector<int>{0, 500, 999});
  // 7 steps: stride 166.5 gives 166.5, 499.5, 832.5: even neighbours 166, 500, 832.
  CHECK(DdpmSchedule::respaced(7).network_time ==
        std::vector<int>{0, 166, 333, 500, 666, 832, 999});
}

TEST_CASE("ddpm schedule: the posterior follows from Bayes' rule") {
  // By hand: q(x_{t-1} | x_t, x_0) is the product of N(x_t; sqrt(a) x_{t-1}, b) and
  // N(x_{t-1}; sqrt(abar') x_0, 1 - abar'), in precisions.
  const auto s = DdpmSchedule::respaced(50);
  for (const std::size_t i : {1u, 7u, 25u, 49u}) {
    const double a = 1 - s.beta[i];
    const double prior = 1 - s.alpha_bar_previous[i];
    const double precision = a / s.beta[i] + 1 / prior;
    CHECK(near(s.posterior_variance[i], 1 / precision, 1e-12));
    CHECK(near(s.posterior_state_weight[i], std::sqrt(a) / s.beta[i] / precision, 1e-12));
    CHECK(near(s.posterior_data_weight[i], std::sqrt(s.alpha_bar_previous[i]) / prior / precision,
               1e-11));
  }
}

TEST_CASE("ddpm schedule: impossible step counts are refused") {
  for (const int count : {-1, 0, 1, 1001}) {
    try {
      (void)DdpmSchedule::respaced(count);
      FAIL("accepted " << count);
    } catch (const d2c::InputError& error) {
      CHECK(std::string(error.what()).find(std::to_string(count)) != std::string::npos);
    }
  }
}
