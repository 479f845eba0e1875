// Oracles: the same training without an interruption, and files damaged by hand.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <catch.hpp>
#include <child_process.hpp>
#include <failing_disk.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>
#include <small_training.hpp>

#include <d2c/core/rng.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/load_weights.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/train/dc_embedding.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/load_denoiser.hpp>

using namespace d2c;
namespace fs = std::filesystem;

namespace {

using d2c_test::content;
using Folder = d2c_test::ScratchFolder;

TrainConfig train_config(std::int64_t steps) {
  TrainConfig config;
  config.steps = steps;
  config.batch = 8;
  config.learning_rate = 3e-3;
  config.schedule = "cosine";
  config.checkpoint_every = 3;
  config.keep_checkpoints = 2;
  config.log_every = 1;
  return config;
}

FitResult train(const fs::path& folder, std::int64_t steps, std::uint64_t seed = 5) {
  DiffusionTransformer network(d2c_test::aligned_shape(), at::kCPU, 7);
  FitOptions options;
  options.seed = seed;
  options.folder = folder;
  return fit<FlowMatching, REPAAlign, DCEmbedding, Muon, UniformTime>(
      network, d2c_test::aligned_set(), train_config(steps), options);
}

std::string message(auto&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError was thrown";
}

constexpr std::int64_t long_run = 60;

} // namespace

TEST_CASE("checkpoint child", "[.]") {
  train(d2c_test::child_folder(), long_run);
}

TEST_CASE("checkpoint: a training that is killed again and again ends with the same bytes") {
  const Folder whole;
  train(whole.path(), long_run);

  const Folder killed;
  int kills = 0;
  bool finished = false;
  for (std::uint32_t attempt = 0; !finished && attempt < 100; ++attempt) {
    const pid_t child = d2c_test::start_child("checkpoint child", killed.path());
    // Wait until this process has written a checkpoint of its own, then for a random moment.
    const auto before = CheckpointFolder(killed.path()).steps();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    int status = 0;
    pid_t gone = 0;
    while (gone == 0 && CheckpointFolder(killed.path()).steps() == before &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      gone = ::waitpid(child, &status, WNOHANG);
    }
    if (gone == 0 && kills < 5) {
      const float moment = uniform({static_cast<std::uint64_t>(::getpid()), Stream::test, attempt});
      std::this_thread::sleep_for(std::chrono::microseconds(static_cast<long>(60000 * moment)));
      ::kill(child, SIGKILL);
    }
    if (gone == 0) {
      ::waitpid(child, &status, 0);
    }
    if (WIFSIGNALED(status)) {
      ++kills;
    } else {
      REQUIRE(WIFEXITED(status));
      REQUIRE(WEXITSTATUS(status) == 0);
      finished = true;
    }
  }
  CHECK(finished);
  CHECK(kills >= 2);
  CHECK(content(killed / "final.safetensors") == content(whole / "final.safetensors"));
  CHECK(content(killed / "loss.csv") == content(whole / "loss.csv"));
}

TEST_CASE("checkpoint: a failing disk leaves the last good one, and training goes on from it") {
  constexpr std::int64_t steps = 12;
  const Folder whole;
  long long bytes = 0;
  int flushes = 0;
  {
    const d2c_test::FailingDisk sound(whole.path(), {});
    train(whole.path(), steps);
    bytes = d2c_test::FailingDisk::written();
    flushes = d2c_test::FailingDisk::flushes();
  }
  REQUIRE(bytes > 1000);
  REQUIRE(flushes > 10);
  const std::vector<std::pair<d2c_test::DiskFaults, std::string>> incidents = {
      {{.room = 10}, "No space left on device"},
      {{.room = bytes / 2}, "No space left on device"},
      {{.room = bytes - 1}, "No space left on device"},
      {{.piece = 500, .failing_flush = 1}, "Input/output error"},
      {{.failing_flush = flushes / 2}, "Input/output error"},
      {{.piece = 500, .failing_flush = flushes}, "Input/output error"}};
  for (const auto& [faults, reason] : incidents) {
    INFO("room " << faults.room << ", failing flush " << faults.failing_flush);
    const Folder folder;
    std::string sentence;
    {
      const d2c_test::FailingDisk disk(folder.path(), faults);
      try {
        train(folder.path(), steps);
      } catch (const Failure& failure) {
        sentence = failure.what();
      }
    }
    CHECK_THAT(sentence, Catch::StartsWith("cannot write " + folder.path().string()) &&
                             Catch::EndsWith(": " + reason));
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const fs::path& path = entry.path();
      CHECK(path.string().find(".tmp-") == std::string::npos);
      if (path.extension() == ".safetensors") {
        CHECK_NOTHROW(load_denoiser(path, at::kCPU));
      }
    }
    const auto kept = CheckpointFolder(folder.path()).steps();
    const bool finished = fs::exists(folder / "final.safetensors");
    const auto resumed = train(folder.path(), steps).resumed;
    CHECK(resumed == (finished ? steps : kept.empty() ? 0 : kept.back()));
    CHECK(content(folder / "final.safetensors") == content(whole / "final.safetensors"));
    CHECK(content(folder / "loss.csv") == content(whole / "loss.csv"));
  }
}

TEST_CASE("checkpoint: the denoiser comes back with its averaged or last weights and its prompts") {
  const Folder folder;
  const FitResult result = train(folder.path(), 5);
  const auto averaged = load_denoiser(folder / "final.safetensors", at::kCPU);
  const auto last = load_denoiser(folder / "final.safetensors", at::kCPU, false);
  CHECK(averaged->shape() == d2c_test::aligned_shape());
  CHECK(at::equal(averaged->parameters().values(), result.average));
  CHECK_FALSE(at::equal(last->parameters().values(), result.average));
  const at::NoGradGuard no_grad;
  Conditioning conditioning;
  conditioning.labels = at::tensor({0, 2}, at::kLong);
  const Tensor prediction =
      averaged->forward(at::zeros({2, 1, 4, 4}), at::full({2}, 0.5), conditioning).prediction;
  CHECK(prediction.isfinite().all().item<bool>());
  CHECK_FALSE(at::equal(prediction[0], prediction[1]));
  CHECK(at::equal(
      load_denoiser(folder / "step-0000003.safetensors", at::kCPU)->parameters().value("pos_embed"),
      averaged->parameters().value("pos_embed")));
}

TEST_CASE("checkpoint: another training in the same folder is refused with the difference") {
  const Folder folder;
  train(folder.path(), 5);
  CHECK_THAT(message([&] { train(folder.path(), 6); }),
             Catch::Contains("final.safetensors: expected a checkpoint of the same training "
                             "(train.steps=6), found one with train.steps=5"));
  CHECK_THAT(message([&] { train(folder.path(), 5, 6); }),
             Catch::Contains("(seed=6), found one with seed=5"));
}

TEST_CASE("checkpoint: truncated and foreign files are refused in one sentence") {
  const Folder folder;
  train(folder.path(), 5);
  const fs::path step = folder / "step-0000003.safetensors";
  fs::remove(folder / "final.safetensors");
  fs::resize_file(step, fs::file_size(step) - 100);
  CHECK_THAT(message([&] { train(folder.path(), 5); }),
             Catch::Contains("step-0000003.safetensors") && Catch::Contains("truncated"));
  save_tensors(step, {{"weight", at::ones({2})}});
  CHECK_THAT(message([&] { train(folder.path(), 5); }),
             Catch::Contains("step-0000003.safetensors: expected a checkpoint of this library"));
  CHECK_THAT(message([&] { load_denoiser(step, at::kCPU); }),
             Catch::Contains("expected a checkpoint of this library"));
  save_tensors(step, {{"weight", at::ones({2})}},
               {{"format", "d2c-checkpoint-1"}, {"network", "{\"family\": \"unet\"}"}});
  CHECK_THAT(message([&] { load_denoiser(step, at::kCPU); }),
             Catch::Contains("expected a network of family dit or sit, found \"unet\""));
  save_tensors(step, {{"weight", at::ones({2})}},
               {{"format", "d2c-checkpoint-1"}, {"network", "17"}});
  CHECK_THAT(message([&] { load_denoiser(step, at::kCPU); }),
             Catch::Contains("expected the shape of a network as JSON"));
  CHECK_THAT(message([&] { load_denoiser(folder / "none.safetensors", at::kCPU); }),
             Catch::Contains("none.safetensors"));
}

TEST_CASE("checkpoint: a small file that claims a large network is refused before it is built") {
  const Folder folder;
  const fs::path path = folder / "claims.safetensors";
  const auto refusal = [&](const std::string& field, const nlohmann::json& value) {
    auto network = nlohmann::json::parse(network_shape_to_json(d2c_test::small_shape()));
    network[field] = value;
    save_tensors(path, {{"ema.pos_embed", at::zeros({1, 4, 32})}, {"ema.one", at::zeros({1})}},
                 {{"format", "d2c-checkpoint-1"}, {"network", network.dump()}});
    const std::string sentence = message([&] { load_denoiser(path, at::kCPU); });
    CHECK_THAT(sentence, Catch::StartsWith(path.string() + ": "));
    return sentence;
  };
  CHECK_THAT(refusal("hidden", 100'000), // 20 TB
             Catch::Contains("missing ema.blocks.0.attn.qkv.weight [300000, 100000]") &&
                 Catch::Contains("mis-shaped ema.pos_embed, expected [1, 4, 100000], found"));
  CHECK_THAT(refusal("hidden", 2'000'000'000), Catch::Contains("more than 2^63 parameters"));
  CHECK_THAT(
      refusal("depth", 2'000'000'000),
      Catch::Contains("expected at most as many blocks as the 2 tensors of the file, found a "
                      "depth of 2000000000"));
  CHECK_THAT(refusal("height", 2'000'000'000), Catch::Contains("expected [1, 2000000000, 32]"));
  CHECK_THAT(refusal("channels", 2'000'000'000), Catch::Contains("fewer than 2^31"));
  CHECK_THAT(refusal("classes", 2'147'483'647), Catch::Contains("fewer than 2^31"));
  CHECK_THAT(refusal("depth", -1), Catch::Contains("must be at least 1"));
  // As int they would be 32, 32, 1 and anything.
  for (const nlohmann::json& width : {nlohmann::json(4'294'967'328), nlohmann::json(32.5),
                                      nlohmann::json(true), nlohmann::json(1e300)}) {
    CHECK_THAT(refusal("hidden", width),
               Catch::Contains("expected a whole number below 2^31 as \"hidden\" of the network"));
  }
  CHECK_THAT(refusal("class_token_width", 4'294'967'296),
             Catch::Contains("as \"class_token_width\" of the network"));
}

TEST_CASE("weights: a state dict loads in any floating type, and every misfit is listed at once") {
  const Folder folder;
  NetworkShape plain = d2c_test::aligned_shape();
  plain.text_embedding = false;
  plain.align_depth = 0;
  DiffusionTransformer source(plain, at::kCPU, 1);
  source.parameters().value("blocks.0.attn.proj.bias").fill_(0.5f);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const ParameterEntry& entry : source.parameters().entries()) {
    tensors.emplace_back("ema." + entry.name,
                         source.parameters().value(entry.name).to(at::kDouble));
  }
  const fs::path path = folder / "weights.safetensors";
  save_tensors(path, tensors);
  DiffusionTransformer target(plain, at::kCPU, std::nullopt);
  CHECK(target.parameters().trainable_values().eq(0).all().item<bool>());
  CHECK(at::equal(target.parameters().value("pos_embed"), source.parameters().value("pos_embed")));
  load_weights(WeightsFile(path), target.parameters(), "ema.");
  CHECK(at::equal(target.parameters().values(), source.parameters().values()));

  tensors[0].second = at::zeros({32, 4, 2, 2});
  tensors[1].first = "ema.x_embedder.proj.offset";
  save_tensors(path, tensors);
  const Tensor before = target.parameters().values().clone();
  CHECK(message([&] { load_weights(WeightsFile(path), target.parameters(), "ema."); }) ==
        path.string() +
            ": expected the weights of this network, found: missing ema.x_embedder.proj.bias [32]; "
            "unexpected ema.x_embedder.proj.offset [32] F64; mis-shaped "
            "ema.x_embedder.proj.weight, expected [32, 1, 2, 2], found [32, 4, 2, 2] F32");
  CHECK(at::equal(target.parameters().values(), before));
}

TEST_CASE("network shape: JSON keeps every field") {
  NetworkShape all = d2c_test::aligned_shape();
  all.family = Family::dit;
  all.learn_sigma = true;
  all.class_embedding = false;
  CHECK(network_shape_from_json(network_shape_to_json(all), "here") == all);
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK_THROWS_WITH(
      network_shape_from_json(R"({"family": "dit", "depth": )" + deep + "}", "here"),
      Catch::Contains("here: expected the shape of a network as JSON, found another text"));
}
