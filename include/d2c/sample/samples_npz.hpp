#pragma once
/// Samples as the archive that ADM's evaluator reads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include <d2c/core/compiled_once.hpp>
#include <d2c/io/npz_writer.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Writes images uint8 [n, C, H, W] as arr_0 [n, H, W, 3], grey repeated, and labels int64 [n] as
/// arr_1, some images at a time. Failure if the file cannot be written.
template <class = Once>
void write_samples_npz(const std::filesystem::path& path, const Tensor& images,
                       const Tensor& labels) {
  constexpr std::int64_t at_once = 256;
  const auto append = [](NpzWriter& writer, const Tensor& tensor) {
    writer.append(
        std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()));
  };
  const std::int64_t n = images.size(0);
  NpzWriter writer{path};
  writer.begin("arr_0", DType::U8, {n, images.size(2), images.size(3), 3});
  for (std::int64_t first = 0; first < n; first += at_once) {
    const Tensor some = images.narrow(0, first, std::min(at_once, n - first));
    const Tensor colour = some.size(1) == 3 ? some : some.narrow(1, 0, 1).expand({-1, 3, -1, -1});
    append(writer, colour.permute({0, 2, 3, 1}).contiguous());
  }
  writer.begin("arr_1", DType::I64, {n});
  append(writer, labels.contiguous());
  writer.commit();
}
D2C_COMPILED_ONCE(void write_samples_npz<>(const std::filesystem::path&, const Tensor&,
                                           const Tensor&))

} // namespace d2c
