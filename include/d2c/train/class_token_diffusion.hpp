#pragma once
/// A class token on the path of its image, and the loss of denoising it.

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What the objective calls an image: here [B, V, 1, 1].
struct ClassTokenPrediction {
  Tensor prediction;
};

/// Class tokens of a batch [B, V] and their own noise at the times of their images.
template <class Objective>
class ClassTokenDiffusion {
  static_assert(!Objective::learns_variance, "a class token has no variance");

public:
  /// t [B], network times.
  ClassTokenDiffusion(const Tensor& clean, const Tensor& noise, const Tensor& t)
      : clean_{as_image(clean)},
        noise_{as_image(noise)},
        t_{t},
        noisy_{Objective::template diffuse<Tensor>(clean_, noise_, t)} {}

  /// [B, V], without noise.
  [[nodiscard]] Tensor clean() const { return clean_.flatten(1); }

  /// What the network is given, [B, V].
  [[nodiscard]] Tensor noisy() const { return noisy_.flatten(1); }

  /// The objective's loss of the network's `predicted` [B, V], mean over batch and width (REG: of
  /// the squared error of the velocity), a scalar.
  [[nodiscard]] Tensor loss(const Tensor& predicted) const {
    return Objective::template loss<ClassTokenPrediction, Tensor>({as_image(predicted)}, clean_,
                                                                  noise_, noisy_, t_)
        .mean();
  }

private:
  static Tensor as_image(const Tensor& tokens) { return tokens.unsqueeze(-1).unsqueeze(-1); }

  Tensor clean_;
  Tensor noise_;
  Tensor t_;
  Tensor noisy_;
};

} // namespace d2c
