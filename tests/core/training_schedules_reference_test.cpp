// Oracle: torch.optim.lr_scheduler, run by tests/reference/training_schedules.py.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>

#include <d2c/io/safetensors.hpp>
#include <d2c/train/learning_rate.hpp>

using namespace d2c;

TEST_CASE("learning rate: every schedule has the factors of torch.optim.lr_scheduler") {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder of tests/reference/training_schedules.py");
  }
  const SafetensorsFile file(std::filesystem::path(folder) / "training_schedules" /
                             "training_schedules.safetensors");
  for (const auto& [name, kind] : schedule_names) {
    const std::vector<double> expected = file.values<double>(std::string(name));
    REQUIRE(expected.size() == 60);
    const RateSchedule schedule{.kind = kind,
                                .steps = 60,
                                .warmup = 10,
                                .final_factor = 0.02,
                                .decay_every = 15,
                                .decay_factor = 0.3};
    for (std::size_t step = 0; step < expected.size(); ++step) {
      INFO(name << " at step " << step);
      CHECK(learning_rate_factor(schedule, static_cast<std::int64_t>(step)) ==
            Approx(expected[step]).epsilon(1e-12));
    }
  }
}
