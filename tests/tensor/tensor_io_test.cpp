/// Weights into memory: the values, and how much memory it takes. Oracles: the tensors that were
/// written; the kernel's list of this process's memory.

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>

#include <catch.hpp>
#include <sanitized.hpp>
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

/// What this process holds now, in bytes: memory of its own and the resident pages of `file`. The
/// pages of programs and libraries are left out, for they come and go by the kernel's will.
std::size_t held(const fs::path& file) {
  std::ifstream mappings("/proc/self/smaps");
  std::size_t sum = 0;
  bool of_file = false;
  for (std::string line; std::getline(mappings, line);) {
    std::istringstream words(line);
    std::string first;
    std::size_t kilobytes = 0;
    words >> first;
    if (!first.ends_with(':')) {
      of_file = line.ends_with(file.string());
    } else if (first == (of_file ? "Rss:" : "Anonymous:")) {
      words >> kilobytes;
      sum += kilobytes * 1024;
    }
  }
  return sum;
}

/// How far that rises while `run` works and once what it returns is kept.
template <class Run>
std::size_t rise(const fs::path& file, const Run& run) {
  const std::size_t before = held(file);
  std::size_t peak = before;
  std::jthread watch([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      peak = std::max(peak, held(file));
    }
  });
  [[maybe_unused]] const auto kept = run();
  watch.request_stop();
  watch.join();
  return std::max(peak, held(file)) - before;
}

} // namespace

TEST_CASE("tensor io: large tensors come whole, whatever their place in the file") {
  const d2c_test::ScratchFolder folder;
  // Larger than the pieces that are read at once, and not a multiple of them.
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

TEST_CASE("tensor io: a file that becomes shorter or another one while it is read is refused") {
  const d2c_test::ScratchFolder folder;
  const Tensor values = at::randn({300, 7000});
  for (const char* name : {"a.safetensors", "a.pth"}) {
    INFO(name);
    const auto written = [&] {
      if (std::string(name) == "a.pth") {
        legacy(folder / name, {values});
      } else {
        d2c::save_tensors(folder / name, {{"t0", values}});
      }
    };
    written();
    {
      const d2c::WeightsFile file{folder / name};
      fs::resize_file(folder / name, 5'000'000);
      CHECK_THROWS_AS(file.read("t0"), d2c::InputError);
      CHECK_THROWS_WITH(file.read("t0"), Contains("as when it was opened, found its end"));
    }
    fs::remove(folder / name);
    written();
    const d2c::WeightsFile file{folder / name};
    fs::rename(folder / name, folder / "kept");
    written();
    CHECK_THROWS_AS(file.read("t0"), d2c::InputError);
    CHECK_THROWS_WITH(file.read("t0"), Contains("found another one in its place"));
    fs::rename(folder / "kept", folder / name);
    CHECK(at::equal(file.read("t0"), values));
  }
}

TEST_CASE("tensor io: loading takes less than 1.1 times the memory of what is kept") {
  if (d2c_test::sanitized()) {
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
    const fs::path file = folder / name;
    return static_cast<double>(rise(file, [&] { return d2c::load_torch_checkpoint(file); }));
  };
  const auto safetensors = [&](const char* name) {
    const fs::path file = folder / name;
    return static_cast<double>(rise(file, [&] { return d2c::load_safetensors(file); }));
  };
  CHECK(checkpoint("a.pth") < most);
  CHECK(safetensors("a.safetensors") < most);
  // One tensor of other strides is there twice while it is laid out anew.
  CHECK(checkpoint("turned.pth") < most + static_cast<double>(each));
  // Into tensors that exist already nothing is added.
  const Tensor target = at::zeros({1024, each / 4096});
  const d2c::WeightsFile file{folder / "a.safetensors"};
  const auto added = rise(folder / "a.safetensors", [&] {
    for (const auto& name : file.names()) {
      file.read_into(name, target);
    }
    return 0;
  });
  CHECK(static_cast<double>(added) < 0.1 * static_cast<double>(6 * each));
}
