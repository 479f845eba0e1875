// Loads one file of weights into memory of its own or into its network, or copies or makes memory,
// and prints one line: seconds, bytes of all tensors, and by how many bytes the process grew at its
// peak. Started anew for every measurement by compare.py.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/dit.hpp>
#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/train/published_weights_file.hpp>

namespace {

using Clock = std::chrono::steady_clock;

/// VmHWM or VmRSS of this process in bytes.
std::int64_t memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) {
      return std::stoll(line.substr(field.size() + 1)) * 1024;
    }
  }
  return 0;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The floor of every program: as many bytes from memory to memory, all of it touched before, on
/// all threads.
void copy(std::int64_t bytes) {
  const auto from = at::ones({bytes}, at::kByte);
  const auto to = at::ones({bytes}, at::kByte);
  const auto start = Clock::now();
  d2c::parallel_ranges(bytes, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to.mutable_data_ptr<std::uint8_t>() + begin,
                from.const_data_ptr<std::uint8_t>() + begin, static_cast<std::size_t>(end - begin));
  });
  std::cout << seconds_since(start) << ' ' << bytes << " 0\n";
}

/// The floor of a program that keeps its tensors: as many bytes of new memory as d2c takes it, in
/// tensors of 16 MB, written once.
void make(std::int64_t bytes) {
  constexpr std::int64_t most = std::int64_t{16} << 20;
  at::ones({1 << 20}).add_(1); // threads exist before memory is made
  std::vector<d2c::Tensor> kept;
  const auto start = Clock::now();
  for (std::int64_t made = 0; made < bytes; made += most) {
    const std::int64_t size = std::min(most, bytes - made);
    auto* const memory =
        kept.emplace_back(d2c::large_empty({size}, at::kByte)).mutable_data_ptr<std::uint8_t>();
    d2c::parallel_ranges(size, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
      std::memset(memory + begin, 1, static_cast<std::size_t>(end - begin));
    });
  }
  std::cout << seconds_since(start) << ' ' << bytes << " 0\n";
}

void load(const std::filesystem::path& file) {
  at::ones({1 << 20}).add_(1); // threads exist before memory is read
  const std::int64_t before = memory("VmRSS");
  const auto start = Clock::now();
  const auto tensors = file.extension() == ".safetensors" ? d2c::load_safetensors(file)
                                                          : d2c::load_torch_checkpoint(file);
  const double seconds = seconds_since(start);
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
  std::cout << seconds << ' ' << bytes << ' ' << memory("VmHWM") - before << '\n';
}

/// A DiT-XL/2 of `depth` blocks with the weights of the file, ready to be called.
void load_network(const std::filesystem::path& file, int depth) {
  at::ones({1 << 20}).add_(1); // threads exist before memory is read
  d2c::NetworkShape shape;
  shape.family = d2c::Family::dit;
  shape.size = d2c::DiT_XL2::size;
  shape.size.depth = depth;
  shape.learn_sigma = true;
  const std::int64_t before = memory("VmRSS");
  const auto start = Clock::now();
  d2c::DiffusionTransformer network(shape, at::kCPU, std::nullopt);
  d2c::PublishedWeightsFile(file, {}).load_into(network.parameters(), shape,
                                                d2c::TargetKind::noise);
  const double seconds = seconds_since(start);
  std::cout << seconds << ' ' << network.parameters().values().nbytes() << ' '
            << memory("VmHWM") - before << '\n';
}

} // namespace

int main(int argc, char** argv) {
  const std::string task = argc > 1 ? argv[1] : "";
  const bool known = task == "network"
                         ? argc == 5
                         : argc == 4 && (task == "copy" || task == "make" || task == "load");
  if (!known) {
    std::cerr << "usage: bench_loading copy|make BYTES THREADS | load FILE THREADS | network FILE "
                 "THREADS DEPTH\n";
    return 2;
  }
  at::set_num_threads(std::stoi(argv[3]));
  if (task == "load") {
    load(argv[2]);
  } else if (task == "network") {
    load_network(argv[2], std::stoi(argv[4]));
  } else {
    (task == "copy" ? copy : make)(std::stoll(argv[2]));
  }
  return 0;
}
