#pragma once
/// What training asks of an optimizer policy and of the object it makes.

#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/slots.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/optimizer_step.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// The working object: updates values and average in place, and names the flat tensors that a
/// checkpoint keeps.
template <class T>
concept WorkingOptimizer = requires(T& optimizer, const T& constant, const OptimizerStep& update,
                                    const ParameterTable& parameters, const Tensor& average) {
  optimizer.step(update, parameters, average);
  { constant.state() } -> std::same_as<std::vector<std::pair<std::string, Tensor>>>;
};

/// A tag with a function make_optimizer in its namespace.
template <class Tag>
concept OptimizerPolicy = Policy<Tag> &&
    requires(const ParameterTable& parameters, const TrainConfig& config) {
  { make_optimizer(Tag{}, parameters, config) } -> WorkingOptimizer;
};

} // namespace d2c
