// Oracle: by hand.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <catch.hpp>

#include <d2c/train/data_order.hpp>
#include <d2c/train/drop_conditions.hpp>

using namespace d2c;

TEST_CASE("data order: every epoch visits each image once, whatever the batch size") {
  DataOrder by_five(9, 12);
  DataOrder by_twelve(9, 12);
  std::vector<Visit> visits;
  for (std::int64_t step = 0; step < 12; ++step) {
    const auto batch = by_five.batch(step, 5);
    visits.insert(visits.end(), batch.begin(), batch.end());
  }
  std::vector<Visit> same;
  for (std::int64_t step = 0; step < 5; ++step) {
    const auto batch = by_twelve.batch(step, 12);
    std::vector<int> seen(12);
    for (const Visit& visit : batch) {
      CHECK(visit.epoch == static_cast<std::uint32_t>(step));
      ++seen[static_cast<std::size_t>(visit.image)];
    }
    CHECK(seen == std::vector<int>(12, 1));
    same.insert(same.end(), batch.begin(), batch.end());
  }
  CHECK(visits == same);
  CHECK(by_twelve.batch(0, 12) != by_twelve.batch(1, 12));
  CHECK(by_five.batch(3, 5) == std::vector<Visit>(same.begin() + 15, same.begin() + 20));
}

TEST_CASE("conditions: drop rates, joint and independent, do not depend on the batch") {
  std::vector<Visit> visits;
  for (std::int64_t i = 0; i < 40000; ++i) {
    visits.push_back({i % 4000, static_cast<std::uint32_t>(i / 4000)});
  }
  const std::vector<std::int64_t> labels(visits.size(), 3);
  const auto share = [](const std::vector<std::int64_t>& values) {
    return static_cast<double>(std::count(values.begin(), values.end(), 10)) /
           static_cast<double>(values.size());
  };
  const DroppedLabels joint = drop_conditions(1, visits, labels, 10, {0.1, 0.1, true});
  CHECK(share(joint.labels) == Approx(0.1).margin(0.006)); // four standard deviations
  CHECK(joint.labels == joint.text_labels);

  const DroppedLabels apart = drop_conditions(1, visits, labels, 10, {0.1, 0.1, false});
  CHECK(apart.labels == joint.labels);
  CHECK(share(apart.text_labels) == Approx(0.1).margin(0.006));
  double both = 0;
  for (std::size_t i = 0; i < visits.size(); ++i) {
    both += apart.labels[i] == 10 && apart.text_labels[i] == 10 ? 1 : 0;
  }
  CHECK(both / 40000 == Approx(0.01).margin(0.002));

  const DroppedLabels uneven = drop_conditions(1, visits, labels, 10, {0.1, 0.3, false});
  CHECK(uneven.labels == joint.labels);
  CHECK(share(uneven.text_labels) == Approx(0.3).margin(0.0092));

  const std::span<const Visit> part(visits.data() + 123, 77);
  const DroppedLabels slice =
      drop_conditions(1, part, std::span(labels.data(), 77), 10, {0.1, 0.1, false});
  CHECK(slice.labels ==
        std::vector<std::int64_t>(apart.labels.begin() + 123, apart.labels.begin() + 200));
  CHECK(share(drop_conditions(1, visits, labels, 10, {0.0, 0.0, true}).labels) == 0.0);
  CHECK(share(drop_conditions(1, visits, labels, 10, {1.0, 1.0, true}).labels) == 1.0);
}
