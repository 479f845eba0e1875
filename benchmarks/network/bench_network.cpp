// Times training steps (forward, mean-square loss, backward; no optimizer) and scoring passes
// (forward without gradients) of diffusion transformers. Started once per network by run.sh; takes
// one command per line ("train N" or "score N"), answers with the milliseconds of each of the N
// repetitions, so that it can be run in turns with bench_network.py.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include <d2c/models/diffusion_transformer.hpp>

namespace {

using namespace d2c;

struct Case {
  NetworkShape shape;
  std::int64_t batch;
};

Case case_of(const std::string& name) {
  NetworkShape shape;
  const auto quick = [&](int width) {
    shape.size = {4, width, 2, 4};
    shape.channels = 1;
    shape.height = shape.width = 28;
    shape.classes = 10;
    return Case{shape, 64};
  };
  if (name == "d64") {
    return quick(64);
  }
  if (name == "d96") {
    return quick(96);
  }
  if (name == "S/4") {
    shape.size = sizes::S(4);
    return {shape, 16};
  }
  if (name == "S/2") {
    shape.size = sizes::S(2);
    return {shape, 8};
  }
  std::cerr << "network " << name << ": expected d64, d96, S/4 or S/2\n";
  std::exit(2);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::cerr << "usage: bench_network NETWORK THREADS [operators]\n";
    return 2;
  }
  const auto [shape, batch] = case_of(argv[1]);
  at::set_num_threads(std::atoi(argv[2]));
  const auto path = argc == 4 ? BlockPath::operators : BlockPath::automatic;
  DiffusionTransformer network(shape, at::kCPU, 0, at::kFloat, path);
  network.parameters().trainable_values().add_(
      at::randn_like(network.parameters().trainable_values()) * 0.02);
  const auto x = at::randn({batch, shape.channels, shape.height, shape.width});
  const auto target = at::randn_like(x);
  const auto t = at::rand({batch});
  const Conditioning conditioning{at::randint(shape.classes, {batch}, at::kLong), {}};

  const auto train = [&] {
    network.parameters().zero_gradients();
    at::mse_loss(network.forward(x, t, conditioning).prediction, target).backward();
  };
  const auto score = [&] {
    const at::NoGradGuard no_grad;
    const auto error = network.forward(x, t, conditioning).prediction - target;
    return error.square().mean({1, 2, 3});
  };
  std::cout << "ready " << parameter_count(shape) << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    int repetitions = 0;
    words >> what >> repetitions;
    for (int i = 0; i < repetitions; ++i) {
      const auto start = std::chrono::steady_clock::now();
      if (what == "train") {
        train();
      } else {
        score();
      }
      const std::chrono::duration<double, std::milli> taken =
          std::chrono::steady_clock::now() - start;
      std::cout << taken.count() << ' ';
    }
    std::cout << std::endl;
  }
  return 0;
}
