// Times what training, scoring and sampling of a diffusion transformer repeat: a whole training
// step with representation alignment, a forward and backward pass, a scoring pass, a guided Euler
// step. Started once per network by run.sh; takes one command per line: "step N", "train N", "score
// N", "sample N" are answered with the milliseconds of each of the N repetitions, "memory" with the
// peak of the process and with what it held before the network existed, in MB. So it can be run in
// turns with bench_network.py.

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/alignment_loss.hpp>
#include <d2c/train/denoiser_shape.hpp>
#include <d2c/train/gradient_clip.hpp>

namespace {

using namespace d2c;

struct Case {
  NetworkShape shape;
  std::int64_t batch;
};

Case case_of(const std::string& name) {
  NetworkShape shape;
  const auto with = [&](std::int64_t batch, int align_width) {
    shape.align_depth = default_align_depth(shape.size);
    shape.align_hidden = default_align_hidden(shape.size);
    shape.align_width = align_width;
    return Case{shape, batch};
  };
  const auto quick = [&](int width) {
    shape.size = {4, width, 2, 4};
    shape.channels = 1;
    shape.height = shape.width = 28;
    shape.classes = 10;
    return with(64, 112);
  };
  const auto published = [&](const TransformerSize& size, std::int64_t batch) {
    shape.size = size;
    return with(batch, 768);
  };
  if (name == "d64") {
    return quick(64);
  }
  if (name == "d96") {
    return quick(96);
  }
  if (name == "S/4") {
    return published(sizes::S(4), 16);
  }
  if (name == "S/2") {
    return published(sizes::S(2), 8);
  }
  if (name == "B/4") {
    return published(sizes::B(4), 16);
  }
  std::cerr << "network " << name << ": expected d64, d96, S/4, S/2 or B/4\n";
  std::exit(2);
}

/// VmHWM or VmRSS of this process in MB.
double memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) {
      return std::stod(line.substr(field.size() + 1)) / 1024;
    }
  }
  return 0;
}

/// A network with everything that its passes need.
class Bench {
public:
  Bench(const Case& given, BlockPath path)
      : shape_{given.shape}, batch_{given.batch}, network_(shape_, at::kCPU, 0, at::kFloat, path) {
    // Away from the zeros that adaLN begins with, tensor by tensor: the peak of memory is measured.
    const auto& parameters = network_.parameters();
    for (const auto& entry : parameters.entries()) {
      if (entry.trainable) {
        auto value = parameters.value(entry.name);
        value.add_(at::randn_like(value).mul_(0.02));
      }
    }
    x_ = at::randn({batch_, shape_.channels, shape_.height, shape_.width});
    target_ = at::randn_like(x_);
    t_ = at::rand({batch_});
    labels_ = at::randint(shape_.classes, {batch_}, at::kLong);
    visual_ = at::randn({batch_, shape_.tokens(), shape_.align_width});
  }

  /// Noise, both losses, backward, clipping, AdamW and the weight average.
  void step() {
    if (!optimizer_) { // scoring and sampling have neither optimizer nor average
      optimizer_.emplace(network_.parameters(), config());
      average_ = network_.parameters().values().clone();
    }
    auto noise = at::empty_like(x_);
    auto t = at::empty({batch_});
    const std::int64_t pixels = x_.numel() / batch_;
    parallel_ranges(batch_, 1, [&](std::int64_t first, std::int64_t last) {
      for (auto i = first; i < last; ++i) {
        const Draw draw{0, Stream::noise, static_cast<std::uint32_t>(updates_),
                        static_cast<std::uint32_t>(i)};
        t.mutable_data_ptr<float>()[i] = uniform(draw);
        fill_normal(draw, noise.mutable_data_ptr<float>() + i * pixels, pixels);
      }
    });
    const auto x_t = FlowMatching::diffuse<Tensor>(x_, noise, t);
    network_.parameters().zero_gradients();
    const auto output = network_.forward(x_t, t, {labels_, {}}, true);
    const auto denoise =
        FlowMatching::loss<TransformerOutput, Tensor>(output, x_, noise, x_t, t).mean();
    const auto loss = denoise + 0.5 * alignment_loss(REPAAlign{}, output.projected, visual_);
    loss.backward();
    const double norm = gradient_norm(network_.parameters().gradients());
    OptimizerStep update;
    update.index = updates_++;
    update.gradient_scale = clip_factor(norm, 1.0);
    update.ema_decay = 0.9999;
    optimizer_->step(update, network_.parameters(), average_);
  }

  /// Forward, mean square error, backward.
  void train() {
    network_.parameters().zero_gradients();
    at::mse_loss(network_.forward(x_, t_, {labels_, {}}).prediction, target_).backward();
  }

  /// Forward without gradients and one loss per image.
  void score() {
    const at::NoGradGuard no_grad;
    const auto error = network_.forward(x_, t_, {labels_, {}}).prediction - target_;
    scores_ = error.square().mean({1, 2, 3});
  }

  /// One Euler step of half a batch with classifier-free guidance: a network call of a whole batch.
  void sample() {
    const at::NoGradGuard no_grad;
    const auto half = batch_ / 2;
    const auto x = x_.narrow(0, 0, half);
    const auto labels =
        at::cat({labels_.narrow(0, 0, half), at::full({half}, shape_.classes, at::kLong)});
    const auto v =
        network_.forward(at::cat({x, x}), at::full({batch_}, 0.5), {labels, {}}).prediction;
    const auto null = v.narrow(0, half, half);
    sample_ = x - (null + 1.5 * (v.narrow(0, 0, half) - null)) * 0.02;
  }

private:
  static TrainConfig config() {
    TrainConfig config;
    config.learning_rate = 1e-4;
    return config;
  }

  NetworkShape shape_;
  std::int64_t batch_;
  DiffusionTransformer network_;
  std::optional<AdamWOptimizer> optimizer_;
  Tensor average_;
  Tensor x_, target_, t_, labels_, visual_, scores_, sample_;
  std::int64_t updates_ = 0;
};

} // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::cerr << "usage: bench_network NETWORK THREADS [operators]\n";
    return 2;
  }
  const auto given = case_of(argv[1]);
  at::set_num_threads(std::atoi(argv[2]));
  at::ones({1}).add_(1); // the library is loaded before its memory is read
  const double before = memory("VmRSS");
  Bench bench(given, argc == 4 ? BlockPath::operators : BlockPath::automatic);
  const std::map<std::string, std::function<void()>> passes = {{"step", [&] { bench.step(); }},
                                                               {"train", [&] { bench.train(); }},
                                                               {"score", [&] { bench.score(); }},
                                                               {"sample", [&] { bench.sample(); }}};
  std::cout << "ready " << parameter_count(given.shape) << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    int repetitions = 0;
    words >> what >> repetitions;
    if (what == "memory") {
      std::cout << memory("VmHWM") << ' ' << before << std::endl;
      continue;
    }
    for (int i = 0; i < repetitions; ++i) {
      const auto start = std::chrono::steady_clock::now();
      passes.at(what)();
      const std::chrono::duration<double, std::milli> taken =
          std::chrono::steady_clock::now() - start;
      std::cout << taken.count() << ' ';
    }
    std::cout << std::endl;
  }
  return 0;
}
