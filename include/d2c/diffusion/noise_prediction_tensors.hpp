#pragma once
/// What NoisePrediction needs of tensors: look-up in schedule tables.

#include <vector>

#include <d2c/diffusion/schedule_table.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// table[t] for a float tensor t of integer steps [B]: [B, 1, 1, 1] on t's device and in t's dtype.
/// Gathered in float64, cast afterwards, as DiT does. Throws c10::Error for an index out of range.
[[nodiscard]] inline Tensor table_at(const ScheduleTable& table, const Tensor& t) {
  const Tensor values =
      at::tensor(table.values, at::TensorOptions().dtype(at::kDouble)).to(t.device());
  return values.index_select(0, t.to(at::kLong)).to(t.scalar_type()).reshape({-1, 1, 1, 1});
}

} // namespace d2c
