#pragma once
/// Convolutions of frozen networks: on the CPU in oneDNN's own layout of the weights, with what
/// follows them in the same pass.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A convolution [out, in, rows, columns] with bias [out], float32, for inference alone. Images are
/// best channels last. LibTorch converts weights in each call; here they are converted once.
class FrozenConvolution {
public:
  /// `rows` and `columns` of images that it will mostly see: their number decides about the layout.
  struct Geometry {
    std::array<std::int64_t, 2> stride{1, 1};
    std::array<std::int64_t, 2> padding{0, 0};
    std::int64_t rows = 64;
    std::int64_t columns = 64;
  };

  FrozenConvolution() = default;

  FrozenConvolution(const Tensor& weight, Tensor bias, const Geometry& geometry)
      : bias_{std::move(bias)}, geometry_{geometry} {
    weight_ = weight.contiguous(at::MemoryFormat::ChannelsLast);
    if (weight_.is_cpu() && operators()) {
      const std::array<std::int64_t, 4> images{1, weight.size(1), geometry.rows, geometry.columns};
      weight_ = operators()->pack.call(weight_, geometry_.padding, geometry_.stride, dilation, 1,
                                       at::IntArrayRef(images));
      packed_ = true;
    }
  }

  /// The convolution of x [n, in, H, W].
  [[nodiscard]] Tensor operator()(const Tensor& x) const { return run(x, "none"); }

  /// Its positive part.
  [[nodiscard]] Tensor relu(const Tensor& x) const { return run(x, "relu"); }

  /// Adds it to `sum`, in place.
  void add_to(Tensor& sum, const Tensor& x) const {
    if (packed_) {
      operators()->add.call(sum, x, weight_, bias_, geometry_.padding, geometry_.stride, dilation,
                            1, "add", at::Scalar(1.0), std::nullopt, Scalars{}, std::nullopt);
    } else {
      sum.add_(run(x, "none"));
    }
  }

private:
  static constexpr std::array<std::int64_t, 2> dilation{1, 1};

  using Sizes = at::IntArrayRef;
  using Text = std::optional<std::string_view>;
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Pack = Tensor(const Tensor&, Sizes, Sizes, Sizes, std::int64_t, at::OptionalIntArrayRef);
  using Run = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, Sizes, Sizes,
                     Sizes, std::int64_t, std::string_view, Scalars, Text);
  using Add = Tensor&(Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, Sizes,
                      Sizes, Sizes, std::int64_t, std::string_view, std::optional<at::Scalar>, Text,
                      Scalars, Text);

  /// What LibTorch's own compiler calls on CPUs.
  struct Operators {
    c10::TypedOperatorHandle<Pack> pack;
    c10::TypedOperatorHandle<Run> run;
    c10::TypedOperatorHandle<Add> add;
  };

  /// Empty where LibTorch was built without oneDNN.
  static const std::optional<Operators>& operators() {
    static const std::optional<Operators> found = []() -> std::optional<Operators> {
      const auto find = [](const char* name, const char* overload) {
        return c10::Dispatcher::singleton().findSchema({name, overload});
      };
      const auto pack = find("mkldnn::_reorder_convolution_weight", "");
      const auto run = find("mkldnn::_convolution_pointwise", "");
      const auto add = find("mkldnn::_convolution_pointwise_", "binary");
      if (!at::hasMKLDNN() || !pack || !run || !add) {
        return std::nullopt;
      }
      return Operators{pack->typed<Pack>(), run->typed<Run>(), add->typed<Add>()};
    }();
    return found;
  }

  [[nodiscard]] Tensor run(const Tensor& x, std::string_view after) const {
    if (packed_) {
      return operators()->run.call(x, weight_, bias_, geometry_.padding, geometry_.stride, dilation,
                                   1, after, Scalars{}, std::nullopt);
    }
    Tensor y = at::conv2d(x, weight_, bias_, geometry_.stride, geometry_.padding);
    return after == "relu" ? y.relu_() : y;
  }

  Tensor weight_;
  Tensor bias_;
  Geometry geometry_;
  bool packed_ = false;
};

} // namespace d2c
