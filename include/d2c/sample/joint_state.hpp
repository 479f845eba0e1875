#pragma once
/// Image and class token as one state of a sampling method: REG integrates both together.

#include <array>
#include <cstdint>
#include <vector>

#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// How states of a sampling method are laid out: [n, C, H, W] without a class token, else
/// [n, C * H * W + V], the image first, so that the image's noise is that of a network without.
class JointState {
public:
  JointState(const std::array<std::int64_t, 3>& image, std::int64_t class_token_width)
      : image_{image}, class_token_{class_token_width} {}

  explicit JointState(const NetworkShape& shape)
      : JointState({shape.channels, shape.height, shape.width}, shape.class_token_width) {}

  /// Width of the class token; 0: none.
  [[nodiscard]] std::int64_t class_token_width() const { return class_token_; }

  /// Sizes of one state.
  [[nodiscard]] std::vector<std::int64_t> shape() const {
    if (class_token_ == 0) {
      return {image_.begin(), image_.end()};
    }
    return {pixels() + class_token_};
  }

  /// Entries of a state's first dimension that make up one channel of the image.
  [[nodiscard]] std::int64_t channel_size() const {
    return class_token_ == 0 ? 1 : image_[1] * image_[2];
  }

  /// The images of states, [n, C, H, W].
  [[nodiscard]] Tensor image(const Tensor& states) const {
    return class_token_ == 0 ? states
                             : states.narrow(1, 0, pixels())
                                   .reshape({states.size(0), image_[0], image_[1], image_[2]});
  }

  /// The class tokens of states, [n, V]; undefined without.
  [[nodiscard]] Tensor class_token(const Tensor& states) const {
    return class_token_ == 0 ? Tensor() : states.narrow(1, pixels(), class_token_);
  }

  /// States of images and class tokens.
  [[nodiscard]] Tensor join(const Tensor& image, const Tensor& class_token) const {
    return class_token_ == 0 ? image : at::cat({image.flatten(1), class_token}, 1);
  }

private:
  [[nodiscard]] std::int64_t pixels() const { return image_[0] * image_[1] * image_[2]; }

  std::array<std::int64_t, 3> image_;
  std::int64_t class_token_;
};

/// The network's answer to states of its layout: `prediction` is laid out as they are.
inline TransformerOutput forward_states(const DiffusionTransformer& network, const Tensor& states,
                                        const Tensor& t, const Conditioning& conditioning) {
  const JointState layout(network.shape());
  auto output =
      network.forward(layout.image(states), t, conditioning, false, layout.class_token(states));
  output.prediction = layout.join(output.prediction, output.class_token);
  return output;
}

} // namespace d2c
