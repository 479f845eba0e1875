#pragma once
/// Named tensors over one flat buffer of values and one of gradients. Optimizers, averages and
/// checkpoints work on the flat buffers; networks bind the named views.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Owns the parameters of one network: `values()` holds every entry without padding, in list order;
/// `gradients()` the leading trainable part of it. Trainable entries must precede frozen ones.
class ParameterTable {
public:
  /// Allocates zeros on `device`. `dtype` is float32 except in tests of exactness (float64).
  ParameterTable(std::vector<ParameterEntry> entries, at::Device device,
                 at::ScalarType dtype = at::kFloat)
      : entries_(std::move(entries)) {
    std::int64_t total = 0;
    for (const auto& entry : entries_) {
      if (entry.trainable && trainable_ != total) {
        throw InputError("parameter table: trainable entries must precede frozen ones, but " +
                         entry.name + " follows one");
      }
      offsets_.push_back(total);
      total += entry.count();
      trainable_ = entry.trainable ? total : trainable_;
    }
    const auto options = at::TensorOptions().device(device).dtype(dtype);
    values_ = device.is_cpu() ? large_zeros(total, dtype) : at::zeros({total}, options);
    gradients_ =
        device.is_cpu() ? large_zeros(trainable_, dtype) : at::zeros({trainable_}, options);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      bind(i);
    }
  }

  ParameterTable(const ParameterTable&) = delete;
  ParameterTable& operator=(const ParameterTable&) = delete;
  ParameterTable(ParameterTable&&) = default;
  ParameterTable& operator=(ParameterTable&&) = default;
  ~ParameterTable() = default;

  [[nodiscard]] const std::vector<ParameterEntry>& entries() const { return entries_; }

  /// All parameters, [count].
  [[nodiscard]] const Tensor& values() const { return values_; }

  /// The leading trainable part of `values()`, [trainable_count], a view.
  [[nodiscard]] Tensor trainable_values() const { return values_.narrow(0, 0, trainable_); }

  /// Gradients of the trainable part, [trainable_count]; backward adds to them.
  [[nodiscard]] const Tensor& gradients() const { return gradients_; }

  [[nodiscard]] std::int64_t trainable_count() const { return trainable_; }

  [[nodiscard]] bool contains(std::string_view name) const {
    return index_.contains(std::string(name));
  }

  /// The view of one parameter, without autograd. Throws InputError on an unknown name.
  [[nodiscard]] const Tensor& value(std::string_view name) const {
    return views_[position(name)].value;
  }

  /// The view of one gradient; undefined for a frozen parameter.
  [[nodiscard]] const Tensor& gradient(std::string_view name) const {
    return views_[position(name)].gradient;
  }

  /// One parameter as autograd leaf; its `.grad()` is the view of `gradients()`.
  [[nodiscard]] const Tensor& leaf(std::string_view name) const {
    return views_[position(name)].leaf;
  }

  /// First element of a parameter in `values()`.
  [[nodiscard]] std::int64_t offset(std::string_view name) const {
    return offsets_[position(name)];
  }

  void zero_gradients() { gradients_.zero_(); }

  /// Draws every parameter by its own Philox sequence, keyed by a hash of its name: a network with
  /// a projector or text branch starts from the same trunk as one without. Position embeddings
  /// are left as they are.
  void initialise(std::uint64_t seed) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const auto& entry = entries_[i];
      if (entry.initialisation == Initialisation::sine_cosine) {
        continue;
      }
      const std::int64_t count = entry.count();
      auto draws = at::zeros(entry.shape, at::kFloat);
      auto* out = draws.mutable_data_ptr<float>();
      const Draw draw{seed, Stream::initialisation, 0, name_hash(entry.name)};
      if (entry.initialisation == Initialisation::normal) {
        fill_normal(draw, out, count);
        draws.mul_(0.02);
      } else if (entry.initialisation == Initialisation::ones) {
        draws.fill_(1.0);
      } else if (entry.initialisation == Initialisation::xavier_uniform) {
        const auto rows = static_cast<double>(entry.shape.front());
        const auto columns = static_cast<double>(count) / rows;
        const auto bound = static_cast<float>(std::sqrt(6.0 / (rows + columns)));
        for (std::int64_t j = 0; j < count; j += 4) {
          const auto words = draw.words(static_cast<std::uint32_t>(j / 4));
          for (std::int64_t k = j; k < std::min(j + 4, count); ++k) {
            out[k] = bound * (2.0f * unit_interval(words[static_cast<std::size_t>(k - j)]) - 1.0f);
          }
        }
      }
      views_[i].value.copy_(draws);
    }
  }

private:
  struct Views {
    Tensor value;
    Tensor gradient;
    Tensor leaf;
  };

  void bind(std::size_t i) {
    const auto& entry = entries_[i];
    if (!index_.emplace(entry.name, i).second) {
      throw InputError("parameter table: " + entry.name + " appears twice");
    }
    Views views;
    views.value = values_.narrow(0, offsets_[i], entry.count()).view(entry.shape);
    views.leaf = views.value.detach();
    if (entry.trainable) {
      views.gradient = gradients_.narrow(0, offsets_[i], entry.count()).view(entry.shape);
      views.leaf.set_requires_grad(true);
      views.leaf.mutable_grad() = views.gradient;
    }
    views_.push_back(std::move(views));
  }

  [[nodiscard]] std::size_t position(std::string_view name) const {
    const auto found = index_.find(std::string(name));
    if (found == index_.end()) {
      throw InputError("parameter table: no parameter is named " + std::string(name));
    }
    return found->second;
  }

  /// FNV-1a: part of what a seed means, so it must stay as it is.
  static std::uint32_t name_hash(std::string_view name) {
    std::uint32_t hash = 2166136261u;
    for (const char letter : name) {
      hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619u;
    }
    return hash;
  }

  std::vector<ParameterEntry> entries_;
  std::vector<std::int64_t> offsets_;
  std::vector<Views> views_;
  std::unordered_map<std::string, std::size_t> index_;
  std::int64_t trainable_ = 0;
  Tensor values_;
  Tensor gradients_;
};

} // namespace d2c
