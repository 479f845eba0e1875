#pragma once
/// One column of a noise schedule, indexed by diffusion step.

#include <cstddef>
#include <vector>

namespace d2c {

/// Values of one schedule quantity for steps 0 .. n-1 in double precision. Its own type so that the
/// tensor ring can offer `table_at(table, t)` (gather in float64, then cast), which the torch-free
/// bodies of the objectives find by argument-dependent look-up.
struct ScheduleTable {
  std::vector<double> values;

  [[nodiscard]] std::size_t size() const { return values.size(); }

  [[nodiscard]] double operator[](std::size_t step) const { return values[step]; }
};

} // namespace d2c
