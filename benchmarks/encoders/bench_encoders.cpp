// Times the forward passes of the published encoders as attaching, encoding and evaluation run
// them: T5-v1.1-base, DINOv2-B, CLIP ViT-L/14, the encoder and the decoder of Stable Diffusion's
// autoencoder, FID's Inception-v3. Started once per network by compare.py on files that
// bench_encoders.py wrote; takes one command per line: "run N" is answered with the milliseconds of
// each of N passes, "write FILE" puts the last output there, "memory" gives the peak of the process
// and what it held before the network existed, in MB. So it can be run in turns with
// bench_encoders.py.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <d2c/data/sd_vae_network.hpp>
#include <d2c/encoders/clip_network.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/dinov2_network.hpp>
#include <d2c/encoders/inception_v3_network.hpp>
#include <d2c/encoders/t5_network.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/weights_file.hpp>

namespace {

using namespace d2c;

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

using Pass = std::function<Tensor()>;

constexpr std::int64_t few_images = 16; ///< of the larger networks, as in bench_encoders.py

/// `one` for each row, as the codec runs it on a CPU.
template <class One>
Pass one_by_one(const Tensor& input, One one) {
  return [input, one] {
    std::vector<Tensor> parts;
    for (std::int64_t i = 0; i < input.size(0); ++i) {
      parts.push_back(one(input.narrow(0, i, 1)));
    }
    return at::cat(parts);
  };
}

/// Reads a network; its pass makes one output of the inputs of the folder.
Pass pass_of(const std::string& name, const std::filesystem::path& folder) {
  const auto input = [&](const char* what) {
    return to_tensor(SafetensorsFile{folder / "inputs.safetensors"}, what);
  };
  if (name == "t5") {
    const auto network = std::make_shared<T5Network>(
        WeightsFile{folder / "t5" / "model.safetensors"}, t5_shapes::v11_base);
    return [network, ids = input("ids"), mask = input("mask")] {
      return network->last_hidden_state(ids, mask);
    };
  }
  if (name == "dinov2") {
    const auto network = std::make_shared<DINOv2Network>(
        WeightsFile{folder / "dinov2" / "model.safetensors"}, dinov2_shapes::B);
    return [network, images = input("images")] {
      return network->forward(network->prepare(images, 16), PositionRule::plain).patches;
    };
  }
  if (name == "clip") {
    const auto network = std::make_shared<CLIPNetwork>(
        WeightsFile{folder / "clip" / "model.safetensors"}, clip_shapes::L14);
    const Tensor images = input("images").narrow(0, 0, few_images);
    return [network, images] {
      return network->forward(network->prepare(images, 16), PositionRule::plain).patches;
    };
  }
  if (name == "inception") {
    const auto network =
        std::make_shared<InceptionV3Network>(WeightsFile{folder / "inception.pth"});
    return [network, images = input("images")] {
      return network->forward(network->prepare(images, InceptionResize::tensorflow)).pool;
    };
  }
  if (name == "vae-encode" || name == "vae-decode") {
    const auto network = std::make_shared<SDVaeNetwork>(
        WeightsFile{folder / "vae" / "diffusion_pytorch_model.safetensors"}, SDVaeShape{});
    if (name == "vae-encode") {
      return one_by_one(input("pictures"),
                        [network](const Tensor& image) { return network->encode(image).mean; });
    }
    return one_by_one(input("latents"),
                      [network](const Tensor& latent) { return network->decode(latent); });
  }
  std::cerr << "network " << name
            << ": expected t5, dinov2, clip, inception, vae-encode or vae-decode\n";
  std::exit(2);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench_encoders NETWORK THREADS FOLDER\n";
    return 2;
  }
  at::set_num_threads(std::atoi(argv[2]));
  at::ones({1}).add_(1); // the library is loaded before its memory is read
  const double before = memory("VmRSS");
  const Pass pass = pass_of(argv[1], argv[3]);
  Tensor output;
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "memory") {
      std::cout << memory("VmHWM") << ' ' << before << std::endl;
    } else if (what == "write") {
      std::string file;
      words >> file;
      save_tensors(file, {{"output", output}});
      std::cout << std::endl;
    } else if (what == "run") {
      int repetitions = 0;
      words >> repetitions;
      for (int i = 0; i < repetitions; ++i) {
        output = Tensor{};
        const auto start = std::chrono::steady_clock::now();
        output = pass();
        const std::chrono::duration<double, std::milli> taken =
            std::chrono::steady_clock::now() - start;
        std::cout << taken.count() << ' ';
      }
      std::cout << std::endl;
    } else {
      std::cerr << "command " << what << ": expected run, write or memory\n";
      return 2;
    }
  }
  return 0;
}
