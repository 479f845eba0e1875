#pragma once
/// Diffusion in the latent space of Stable Diffusion's autoencoder.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/latent.hpp>
#include <d2c/data/latent_posterior.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/data/sd_vae_network.hpp>
#include <d2c/data/sd_vae_shape.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Images to latents and back. The network is read when it is first needed, so a stage that needs
/// none (or a pack of latents) costs neither time nor memory. On a CPU images go through it one by
/// one: their latents do not depend on their batch, and neither does the memory.
class SDVaeCodec final : public Codec {
public:
  /// What latents are multiplied with so that their deviation is about 1 (Rombach et al. 2022).
  static constexpr double scale = 0.18215;

  /// `device` as for device_from; `tile` in pixels as for SDVaeNetwork, 0: images stay whole.
  SDVaeCodec(std::filesystem::path weights, const SDVaeShape& shape, std::string device = "cpu",
             std::int64_t tile = 0)
      : weights_{std::move(weights)}, shape_{shape}, device_{std::move(device)}, tile_{tile} {}

  /// The posterior's mean, scaled: float32 [n, latent, H/8, W/8] on the CPU. Throws InputError if
  /// the weights are missing or those of another network, or the images do not fit.
  [[nodiscard]] Tensor encode(const ImageSet& images,
                              std::span<const std::int64_t> indices) const override {
    return collect(images, indices, shape_.latent,
                   [](const LatentPosterior& found, std::span<const std::int64_t>) {
                     return found.mean * scale;
                   });
  }

  /// A sample of the posterior, scaled. The noise of an image is the sequence `draw` with its index
  /// as the sample. Errors as for encode.
  [[nodiscard]] Tensor sample(const ImageSet& images, std::span<const std::int64_t> indices,
                              const Draw& draw) const {
    return collect(images, indices, shape_.latent,
                   [&](const LatentPosterior& found, std::span<const std::int64_t> some) {
                     return found.sample(draw, some) * scale;
                   });
  }

  /// Means, then deviations, unscaled, as one tensor [n, 2 latent, H/8, W/8]: what REPA stores of
  /// an image. Errors as for encode.
  [[nodiscard]] Tensor moments(const ImageSet& images,
                               std::span<const std::int64_t> indices) const {
    return collect(images, indices, 2 * std::int64_t{shape_.latent},
                   [](const LatentPosterior& found, std::span<const std::int64_t>) {
                     return at::cat({found.mean, found.deviation()}, 1);
                   });
  }

  /// Rounds as PixelsCodec does (DiT's and SiT's samplers). Errors as for encode.
  [[nodiscard]] Tensor decode(const Tensor& latents) const override {
    const SDVaeNetwork& network = loaded();
    if (latents.dim() != 4) {
      throw InputError("SDVae: expected latents [n, " + std::to_string(shape_.latent) +
                       ", H, W], found " + c10::str(latents.sizes()));
    }
    const c10::NoGradGuard no_grad;
    const std::int64_t n = latents.size(0);
    const std::int64_t at_once = images_at_once(latents.size(2) * latents.size(3));
    Tensor images = at::empty({n, SDVaeShape::image_channels, latents.size(2) * SDVaeShape::down,
                               latents.size(3) * SDVaeShape::down},
                              at::kByte);
    for (std::int64_t first = 0; first < n; first += at_once) {
      const std::int64_t count = std::min(at_once, n - first);
      const Tensor some = latents.narrow(0, first, count);
      images.narrow(0, first, count)
          .copy_(pixels_.decode(
              network.decode(some.detach().to(network.device(), at::kFloat).div(scale), tile_)));
    }
    return images;
  }

  [[nodiscard]] int channels(const ImageSet&) const override { return shape_.latent; }

  [[nodiscard]] int height(const ImageSet& images) const override {
    return images.height / SDVaeShape::down;
  }

  [[nodiscard]] int width(const ImageSet& images) const override {
    return images.width / SDVaeShape::down;
  }

private:
  /// Throws InputError as its parts. Another thread waits; after an error the next call tries
  /// again.
  const SDVaeNetwork& loaded() const {
    std::call_once(once_, [&] {
      if (!is_file(weights_)) {
        throw InputError(
            "data.codec_weights: expected a file with the weights of Stable "
            "Diffusion's autoencoder, found " +
            (weights_.empty() ? std::string("no path") : "no file \"" + weights_.string() + "\""));
      }
      network_ =
          std::make_unique<SDVaeNetwork>(WeightsFile{weights_}, shape_, device_from(device_));
    });
    return *network_;
  }

  /// On a GPU as many images as the places of eight of 256 pixels hold.
  [[nodiscard]] std::int64_t images_at_once(std::int64_t latent_places) const {
    constexpr std::int64_t places = 8 * 32 * 32;
    // Without places there is nothing to run, and the network says so.
    return network_->device().is_cpu()
               ? 1
               : std::max<std::int64_t>(1, places / std::max<std::int64_t>(1, latent_places));
  }

  /// use(posterior, indices) of all images, [n, rows, H/8, W/8], into one tensor: the latents of a
  /// data set are held once.
  template <class Use>
  [[nodiscard]] Tensor collect(const ImageSet& images, std::span<const std::int64_t> indices,
                               std::int64_t rows, const Use& use) const {
    const SDVaeNetwork& network = loaded();
    const c10::NoGradGuard no_grad;
    const auto at_once =
        static_cast<std::size_t>(images_at_once(std::int64_t{height(images)} * width(images)));
    Tensor all =
        at::empty({static_cast<std::int64_t>(indices.size()), rows, height(images), width(images)},
                  at::kFloat);
    for (std::size_t first = 0; first < indices.size(); first += at_once) {
      const auto some = indices.subspan(first, std::min(at_once, indices.size() - first));
      const LatentPosterior found = network.encode(pixels_.encode(images, some), tile_);
      all.narrow(0, static_cast<std::int64_t>(first), static_cast<std::int64_t>(some.size()))
          .copy_(use(found, some));
    }
    return all;
  }

  std::filesystem::path weights_;
  SDVaeShape shape_;
  std::string device_;
  std::int64_t tile_;
  PixelsCodec pixels_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const SDVaeNetwork> network_;
};

/// The codec that a tag names whose autoencoder has an SDVaeShape, with [data] codec_weights and
/// codec_tile. Reads nothing yet.
template <class Autoencoder>

  requires std::same_as<std::remove_cvref_t<decltype(Autoencoder::shape)>, SDVaeShape>
      std::unique_ptr<SDVaeCodec> make_codec(Latent<Autoencoder>, const DataConfig& config,
                                             const std::string& device) {
    return std::make_unique<SDVaeCodec>(config.codec_weights, Autoencoder::shape, device,
                                        config.codec_tile);
  }

/// Adds a problem for tiles that the network refuses, and for a file that is there and does not
/// hold the network; reads no values.
template <class Autoencoder>
  requires std::same_as<std::remove_cvref_t<decltype(Autoencoder::shape)>, SDVaeShape>

void check_codec_settings(Latent<Autoencoder>, const DataConfig& config, Problems& problems) {
  if (config.codec_tile < 0 || config.codec_tile % (4 * SDVaeShape::down) != 0) {
    problems.add("[data] codec_tile", "expected 0 or a multiple of 32 pixels, found " +
                                          std::to_string(config.codec_tile));
  }
  if (is_file(config.codec_weights)) {
    problems.check("[data] codec_weights", [&] {
      SDVaeNetwork::require_fits(WeightsFile{config.codec_weights}, Autoencoder::shape);
    });
  }
}

} // namespace d2c
