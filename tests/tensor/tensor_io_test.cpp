/// Weights into memory: the values, and how much memory it takes. Oracles: the tensors that were
/// written; the kernel's count of this process (VmHWM).

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/tensor_io.hpp>
#include <d2c/models/weights_file.hpp>

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using d2c::Tensor;

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string pickled(std::int64_t value) {
  return "\x8a\x08"s + raw(value);
}

/// A legacy checkpoint of float tensors t0, t1, ... [rows, columns], each with a storage of its
/// own.
fs::path legacy(const fs::path& path, const std::vector<Tensor>& tensors, bool transposed = false) {
  const auto text = [](const std::string& value) {
    return "X" + raw(static_cast<std::uint32_t>(value.size())) + value;
  };
  std::string object = "}(";
  std::string keys = "](";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto rows = tensors[i].size(0);
    const auto columns = tensors[i].size(1);
    const std::string key = text(std::to_string(i));
    object += text("t" + std::to_string(i)) + "ctorch._utils\n_rebuild_tensor_v2\n((" +
              text("storage") + "ctorch\nFloatStorage\n" + key + text("cpu") +
              pickled(rows * columns) + "tQ" + pickled(0);
    object +=
        transposed
            ? pickled(columns) + pickled(rows) + "\x86" + pickled(1) + pickled(columns) + "\x86"
            : pickled(rows) + pickled(columns) + "\x86" + pickled(columns) + pickled(1) + "\x86";
    object += "\x89}tR";
    keys += key;
  }
  std::ofstream file(path, std::ios::binary);
  file << "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s
       << "\x80\x02M\xe9\x03."s
       << "\x80\x02}."s
       << "\x80\x02" << object << "u.\x80\x02" << keys << "e.";
  for (const Tensor& tensor : tensors) {
    file << raw(tensor.numel());
    file.write(static_cast<const char*>(tensor.const_data_ptr()),
               static_cast<std::streamsize>(tensor.nbytes()));
  }
  return path;
}

/// In bytes.
std::size_t memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) {
      return std::stoull(line.substr(field.size() + 1)) * 1024;
    }
  }
  return 0;
}

/// How far memory rises while `run` works and what it returns is kept.
template <class Run>
std::size_t rise(const Run& run) {
  std::ofstream("/proc/self/clear_refs") << "5"; // the peak begins anew
  const std::size_t before = memory("VmRSS");
  [[maybe_unused]] const auto kept = run();
  const std::size_t peak = memory("VmHWM");
  return peak > before ? peak - before : 0;
}

bool sanitized() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return false;
#endif
}

} // namespace

TEST_CASE("tensor io: large tensors come whole, whatever their place in the file") {
  const d2c_test::ScratchFolder folder;
  // Larger than the pieces that are copied at once, and not a multiple of them.
  const Tensor large = at::randn({3, 1'000'003});
  const Tensor small = at::arange(15, at::kFloat).view({3, 5});
  const std::vector<std::pair<std::string, Tensor>> stored = {{"byte", at::arange(1, at::kByte)},
                                                              {"t0", large},
                                                              {"t1", small},
                                                              {"half", small.to(at::kHalf)}};
  d2c::save_tensors(folder / "a.safetensors", stored);
  const auto found = d2c::load_safetensors(folder / "a.safetensors");
  for (const auto& [name, tensor] : stored) {
    INFO(name);
    CHECK(at::equal(found.at(name), tensor));
  }
  const auto checkpoint = d2c::load_torch_checkpoint(legacy(folder / "a.pth", {large, small}));
  CHECK(at::equal(checkpoint.at("t0"), large));
  CHECK(at::equal(checkpoint.at("t1"), small));
  const auto turned = d2c::load_torch_checkpoint(legacy(folder / "b.pth", {large, small}, true));
  CHECK(at::equal(turned.at("t0"), large.t()));
  CHECK(at::equal(turned.at("t1"), small.t()));
}

TEST_CASE("tensor io: weights go into tensors of any floating type and layout") {
  const d2c_test::ScratchFolder folder;
  const Tensor values = at::randn({300, 700});
  d2c::save_tensors(folder / "a.safetensors", {{"t0", values}, {"half", values.to(at::kHalf)}});
  legacy(folder / "a.pth", {values});
  legacy(folder / "turned.pth", {values}, true);
  for (const char* name : {"a.safetensors", "a.pth"}) {
    INFO(name);
    const d2c::WeightsFile file{folder / name};
    const Tensor same = at::empty_like(values);
    file.read_into("t0", same);
    CHECK(at::equal(same, values));
    const Tensor turned = at::empty({700, 300}).t();
    file.read_into("t0", turned);
    CHECK(at::equal(turned, values));
    const Tensor wide = at::empty({300, 700}, at::kDouble);
    file.read_into("t0", wide);
    CHECK(at::equal(wide, values.to(at::kDouble)));
    CHECK_THROWS_WITH(file.read_into("t9", same), Contains("\"t9\""));
  }
  const Tensor target = at::empty_like(values);
  d2c::WeightsFile{folder / "a.safetensors"}.read_into("half", target);
  CHECK(at::equal(target, values.to(at::kHalf).to(at::kFloat)));
  const Tensor turned = at::empty({700, 300});
  d2c::WeightsFile{folder / "turned.pth"}.read_into("t0", turned);
  CHECK(at::equal(turned, values.t()));
}

TEST_CASE("tensor io: loading takes less than 1.1 times the memory of what is kept") {
  if (sanitized()) {
    WARN("the sanitizer's own memory would be measured");
    return;
  }
  const d2c_test::ScratchFolder folder;
  constexpr std::size_t each = std::size_t{24} << 20;
  {
    std::vector<Tensor> tensors(6);
    std::vector<std::pair<std::string, Tensor>> named;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      tensors[i] = at::full({1024, each / 4096}, static_cast<double>(i));
      named.emplace_back("t" + std::to_string(i), tensors[i]);
    }
    legacy(folder / "a.pth", tensors);
    legacy(folder / "turned.pth", tensors, true);
    d2c::save_tensors(folder / "a.safetensors", named);
  }
  const auto most = static_cast<double>(6 * each) * 1.1;
  const auto checkpoint = [&](const char* name) {
    return rise([&] { return d2c::load_torch_checkpoint(folder / name); });
  };
  CHECK(static_cast<double>(checkpoint("a.pth")) < most);
  CHECK(static_cast<double>(rise([&] { return d2c::load_safetensors(folder / "a.safetensors"); })) <
        most);
  // One tensor of other strides is read as a whole before its pages are given back.
  CHECK(static_cast<double>(checkpoint("turned.pth")) < most + static_cast<double>(each));
  // Into tensors that exist already nothing is added.
  const Tensor target = at::zeros({1024, each / 4096});
  const d2c::WeightsFile file{folder / "a.safetensors"};
  const auto added = rise([&] {
    for (const auto& name : file.names()) {
      file.read_into(name, target);
    }
    return 0;
  });
  CHECK(static_cast<double>(added) < 0.1 * static_cast<double>(6 * each));
}
