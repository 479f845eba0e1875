#pragma once
/// Loss and gradient of one batch of visits: what a training step does before the optimizer.

#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/alignment_loss.hpp>
#include <d2c/train/class_token_batch.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/dispersion.hpp>
#include <d2c/train/drop_conditions.hpp>
#include <d2c/train/entangled_alignment_loss.hpp>
#include <d2c/train/mirror.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// Losses of a batch, or sums of shares of them.
struct BatchLosses {
  double total = 0;
  double denoise = 0;
  double align = 0; ///< of the aligner, unweighted; 0 where its weight is 0

  BatchLosses& operator+=(const BatchLosses& other) {
    total += other.total;
    denoise += other.denoise;
    align += other.align;
    return *this;
  }
};

/// Computes gradients of batches of up to `largest` visits. Times, noise and dropped conditions are
/// those of the visits, however they are batched. `set` lies on the network's device, its labels on
/// the CPU.
template <class Objective, class Aligner, class Conditioner, class TimeDistribution, class Network>
class BatchGradient {
public:
  BatchGradient(Network& network, TrainingSet set, const TrainConfig& config, std::uint64_t seed,
                std::int64_t largest)
      : network_{network},
        set_{std::move(set)},
        config_{config},
        seed_{seed},
        dropout_{condition_dropout(config)},
        // Reused by every batch: when it is refilled, nothing of the last batch's graph is left.
        noise_{
            at::empty({largest, set_.latents.size(1), set_.latents.size(2), set_.latents.size(3)},
                      at::kFloat)},
        uniforms_{at::empty({largest}, at::kFloat)} {}

  /// Adds `share` times the gradient of the mean loss of `visits`, with `align_weight` of the
  /// aligner's loss, to the network's; nothing is added where the loss is not finite. Returns
  /// `share` times the losses.
  BatchLosses add(std::span<const Visit> visits, double share, double align_weight) {
    const auto batch = static_cast<std::int64_t>(visits.size());
    const at::Device device = set_.latents.device();
    const NetworkShape& shape = network_.shape();
    const std::int64_t* labels = set_.labels.template const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> images;
    std::vector<std::int64_t> classes;
    for (const Visit& visit : visits) {
      images.push_back(visit.image);
      classes.push_back(labels[visit.image]);
    }
    draw(visits);
    const DroppedLabels dropped = drop_conditions(seed_, visits, classes, shape.classes, dropout_);
    const auto to_device = [&](const std::vector<std::int64_t>& values) {
      return at::tensor(values, at::kLong).to(device);
    };
    Conditioning conditioning;
    conditioning.labels = to_device(Conditioner::uses_class ? dropped.labels : dropped.text_labels);
    if constexpr (Conditioner::uses_text) {
      conditioning.text_labels = to_device(dropped.text_labels);
    }
    const Tensor rows = to_device(images);
    const std::vector<std::int64_t> mirrored = mirrored_visits(seed_, visits, config_.flip);
    const Tensor x0 = mirror_images(set_.latents.index_select(0, rows), mirrored);
    const Tensor noise = noise_.narrow(0, 0, batch).to(device);
    const Tensor t = Objective::template time<Tensor>(uniforms_.narrow(0, 0, batch).to(device));
    const Tensor x_t = Objective::template diffuse<Tensor>(x0, noise, t);
    const auto class_token = [&] {
      if constexpr (entangles<Aligner>()) {
        return class_token_batch<Objective>(set_.class_tokens, seed_, visits, rows, t);
      } else {
        return nullptr;
      }
    }();

    const bool aligned = Aligner::aligns && align_weight > 0;
    const auto output = [&] {
      if constexpr (entangles<Aligner>()) {
        return network_.forward(x_t, t, conditioning, aligned, class_token.noisy());
      } else if constexpr (disperses<Aligner>()) {
        return network_.forward(x_t, t, conditioning, false, {},
                                align_weight > 0 ? disperse_depth(shape.size, config_) : 0);
      } else {
        return network_.forward(x_t, t, conditioning, aligned);
      }
    }();
    const Tensor denoise =
        Objective::template loss<std::decay_t<decltype(output)>, Tensor>(output, x0, noise, x_t, t)
            .mean();
    BatchLosses losses;
    Tensor total = denoise;
    if constexpr (Aligner::aligns || disperses<Aligner>()) {
      if (align_weight > 0) {
        const Tensor align = [&] {
          if constexpr (disperses<Aligner>()) {
            return dispersive_loss(output.hidden, config_.disperse_temperature);
          } else {
            const Tensor visual = mirror_tokens(set_.visual_tokens.index_select(0, rows), mirrored,
                                                shape.grid_width());
            if constexpr (entangles<Aligner>()) {
              return alignment_loss(Aligner{}, output.projected, visual, class_token.clean());
            } else {
              return alignment_loss(Aligner{}, output.projected, visual);
            }
          }
        }();
        losses.align = share * align.template item<double>();
        total = denoise + align_weight * align;
      }
    }
    if constexpr (entangles<Aligner>()) {
      total = total + config_.class_token_weight * class_token.loss(output.class_token);
    }
    losses.denoise = share * denoise.template item<double>();
    losses.total = share * total.template item<double>();
    if (std::isfinite(losses.total)) {
      (share == 1 ? total : total * share).backward();
    }
    return losses;
  }

private:
  /// Fills the leading rows of noise and uniforms.
  void draw(std::span<const Visit> visits) {
    float* noise = noise_.template mutable_data_ptr<float>();
    float* uniforms = uniforms_.template mutable_data_ptr<float>();
    const std::int64_t pixels = noise_.numel() / noise_.size(0);
    parallel_ranges(
        static_cast<std::int64_t>(visits.size()), 1, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t i = first; i < last; ++i) {
            const Visit& visit = visits[static_cast<std::size_t>(i)];
            const auto image = static_cast<std::uint32_t>(visit.image);
            uniforms[i] = TimeDistribution::draw(seed_, visit.epoch, image);
            fill_normal({seed_, Stream::noise, visit.epoch, image}, noise + i * pixels, pixels);
          }
        });
  }

  Network& network_;
  TrainingSet set_;
  TrainConfig config_;
  std::uint64_t seed_;
  ConditionDropout dropout_;
  Tensor noise_;
  Tensor uniforms_;
};

} // namespace d2c
