#pragma once
/// All images a Sampler draws, batch by batch, going on where an interrupted run stopped.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/sample/check_sample_config.hpp>
#include <d2c/sample/guided_prediction.hpp>
#include <d2c/sample/joint_state.hpp>
#include <d2c/sample/sample_batch.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What is drawn, and with which randomness.
struct SampleSet {
  std::int64_t classes = 0;
  std::array<std::int64_t, 3> shape{}; ///< channels, height, width of the latent
  std::uint64_t seed = 0;
  at::Device device = at::kCPU;
  Parametrisation parametrisation = {}; ///< of the network
  std::int64_t class_token_width = 0;   ///< drawn beside each image; 0: none

  /// Sample i shows class i modulo the number of classes, so every beginning of the set is
  /// balanced, and a larger set begins with the smaller one.
  [[nodiscard]] std::int64_t label(std::int64_t sample) const { return sample % classes; }
};

namespace detail {

/// Joins parts into `file` (labels, network_calls, images), one at a time, and returns its images,
/// mapped read-only.
template <class = Once>
Tensor join_parts(const std::vector<std::filesystem::path>& parts, const SampleSet& set,
                  const std::filesystem::path& file) {
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> calls;
  std::vector<std::int64_t> shape;
  for (const std::filesystem::path& path : parts) {
    const SafetensorsFile part(path);
    const Tensor asked = to_tensor(part, "network_calls");
    for (std::int64_t i = 0; i < asked.numel(); ++i) {
      labels.push_back(set.label(static_cast<std::int64_t>(labels.size())));
      calls.push_back(asked[i].item<std::int64_t>());
    }
    shape = part.entry("images").shape;
  }
  const auto n = static_cast<std::int64_t>(labels.size());
  shape.front() = n;
  SafetensorsWriter writer(file, {{"labels", DType::I64, {n}},
                                  {"network_calls", DType::I64, {n}},
                                  {"images", DType::U8, shape}});
  writer.append(std::as_bytes(std::span(labels)));
  writer.append(std::as_bytes(std::span(calls)));
  for (const std::filesystem::path& path : parts) {
    writer.append(SafetensorsFile(path).entry("images").bytes);
  }
  writer.commit();
  const auto joined = std::make_shared<const SafetensorsFile>(file);
  auto* bytes = const_cast<std::byte*>(joined->entry("images").bytes.data()); // only read
  return at::from_blob(
      bytes, shape, [joined](void*) {}, at::kByte);
}
D2C_COMPILED_ONCE(Tensor join_parts<>(const std::vector<std::filesystem::path>&, const SampleSet&,
                                      const std::filesystem::path&))

} // namespace detail

/// Draws classes x images_per_class images into `folder` / samples.safetensors (images U8 [n, c, h,
/// w] in sample order, labels I64 [n], network_calls I64 [n]) and returns the images, mapped from
/// there: no more than a batch is in memory. `network` and `guide` as for sample_batch. Finished
/// batches lie in `folder` / parts until all are done and the caller removes them; a part that does
/// not fit (another batch size) is drawn again. Throws InputError as sample_batch, Failure if a
/// latent is not finite or a file cannot be written.
template <class Method, class Network, class Guide = NoGuide>
[[nodiscard]] Tensor draw_samples(Network&& network, const SampleSet& set,
                                  const SampleConfig& config, const Codec& codec,
                                  const std::filesystem::path& folder, Progress& progress,
                                  Guide&& guide = {}) {
  const std::filesystem::path parts = folder / "parts";
  std::error_code error;
  std::filesystem::create_directories(parts, error);
  if (error) {
    throw Failure("cannot create the folder " + parts.string() + ": " + error.message());
  }
  const std::int64_t total = set.classes * config.images_per_class;
  const JointState layout(set.shape, set.class_token_width);
  std::vector<std::filesystem::path> drawn;
  bool started = false;
  for (std::int64_t first = 0; first < total; first += config.batch) {
    const std::int64_t count = std::min(config.batch, total - first);
    char name[64];
    std::snprintf(name, sizeof name, "samples-%09lld-%lld.safetensors",
                  static_cast<long long>(first), static_cast<long long>(count));
    const std::filesystem::path path = parts / name;
    drawn.push_back(path);
    if (std::filesystem::exists(path)) {
      continue;
    }
    if (!started) {
      progress.start("sampling", total, "images", first);
      started = true;
    }
    std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
    std::iota(samples.begin(), samples.end(), first);
    std::vector<std::int64_t> labels;
    for (const std::int64_t sample : samples) {
      labels.push_back(set.label(sample));
    }
    const SampleRequest request{.shape = layout.shape(),
                                .samples = samples,
                                .labels = labels,
                                .null_label = set.classes,
                                .seed = set.seed,
                                .device = set.device,
                                .parametrisation = set.parametrisation,
                                .class_token_width = layout.class_token_width(),
                                .channel_size = layout.channel_size()};
    std::vector<std::int64_t> counts;
    const Tensor states = sample_batch<Method>(network, request, sampling_options(config),
                                               guidance_of(config), guide, &counts);
    const Tensor finite = states.flatten(1).isfinite().all(1).to(at::kCPU);
    if (!finite.all().item<bool>()) {
      const auto bad = finite.logical_not().nonzero()[0].item<std::int64_t>();
      throw Failure("sampling: expected finite values, found others in sample " +
                    std::to_string(first + bad) + " of class " +
                    std::to_string(set.label(first + bad)));
    }
    save_tensors(path, {{"images", codec.decode(layout.image(states)).contiguous()},
                        {"network_calls", at::tensor(counts, at::kLong)}});
    progress.advance(count);
  }
  if (started) {
    progress.finish();
  }
  return detail::join_parts(drawn, set, folder / "samples.safetensors");
}

} // namespace d2c
