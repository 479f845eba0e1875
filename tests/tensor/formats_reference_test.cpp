/// Files of other programs, and ours in theirs. Oracles: torch.save, safetensors, NumPy, Pillow and
/// Python's csv, run by tests/reference/formats.py and tests/reference/formats_readback.py.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/io/csv.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/png.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using d2c::Tensor;

fs::path reference_folder() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder above the one that tests/reference/formats.py "
         "wrote to");
  }
  return fs::path(folder) / "formats";
}

/// Same type, shape and bits.
bool same(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && a.is_contiguous() &&
         b.is_contiguous() &&
         (a.numel() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0);
}

Tensor base() {
  return at::arange(24, at::kFloat);
}

} // namespace

TEST_CASE("formats reference: checkpoints of torch.save hold what torch.load finds") {
  const auto folder = reference_folder();
  std::size_t checked = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    const auto extension = file.path().extension();
    if (extension != ".pt" && extension != ".pth") {
      continue;
    }
    INFO(file.path().filename());
    const auto found = d2c::load_torch_checkpoint(file.path());
    const auto expected = d2c::load_safetensors(folder / file.path().stem().concat(".safetensors"));
    CHECK(found.size() == expected.size());
    for (const auto& [name, tensor] : expected) {
      INFO(name);
      REQUIRE(found.contains(name));
      CHECK(same(found.at(name), tensor));
    }
    ++checked;
  }
  CHECK(checked == 17);
}

TEST_CASE("formats reference: tensors of other kinds are missing, with the reason") {
  for (const char* name : {"foreign.pt", "foreign_legacy.pth"}) {
    INFO(name);
    const d2c::WeightsFile file{reference_folder() / name};
    CHECK(file.names() == std::vector<std::string>{"model.w"});
    CHECK(file.unreadable().size() == 6);
    for (const auto& [tensor, kind] : file.unreadable()) {
      CHECK_FALSE(file.has(tensor));
      CHECK_THROWS_WITH(file.shape(tensor), Contains(name) && Contains(tensor) && Contains(kind));
    }
    d2c::TensorDifferences differences{file};
    differences.expect({.name = "model.w", .shape = {2}});
    CHECK_NOTHROW(differences.raise("a network"));
    differences.expect({.name = "opt.sparse", .shape = {2, 2}});
    differences.expect({.name = "opt.complex32", .shape = {1}});
    CHECK_THROWS_WITH(
        differences.raise("a network"),
        Contains("missing opt.complex32 [1] (there is one of the dtype torch.complex32); "
                 "missing opt.sparse [2, 2] (there is one made by "
                 "torch._utils._rebuild_sparse_tensor)"));
  }
}

TEST_CASE("formats reference: the published EfficientNet-Lite0 file has its 296 tensors") {
  const auto path = reference_folder() / "efficientnet.pth";
  const d2c::TorchCheckpoint file{path};
  REQUIRE(file.names().size() == 296);
  CHECK(file.names().front() == "_conv_stem.weight");
  CHECK(file.names().back() == "_fc.bias");
  std::int64_t parameters = 0;
  int strided = 0;
  for (const auto& name : file.names()) {
    const bool counter = name.ends_with("num_batches_tracked");
    CHECK(file.tensor(name).dtype == (counter ? d2c::DType::I64 : d2c::DType::F32));
    strided += file.tensor(name).contiguous() ? 0 : 1;
    if (!counter && !name.ends_with("running_mean") && !name.ends_with("running_var")) {
      parameters += file.tensor(name).count();
    }
  }
  CHECK(parameters == 4'652'008);
  CHECK(strided == 50); // convolutions that were converted from TensorFlow keep its order
}

TEST_CASE("formats reference: part of a training state is chosen by name") {
  const auto path = reference_folder() / "training_legacy.pth";
  const auto ema = d2c::load_torch_checkpoint(path, "ema");
  CHECK(ema.size() == 9);
  CHECK(ema.at("0.weight").sizes() == at::IntArrayRef({4, 3, 3, 3}));
  CHECK(d2c::load_torch_checkpoint(path, "opt.state.0").contains("exp_avg"));
  CHECK_THROWS_WITH(d2c::load_torch_checkpoint(path, "args"), Contains("found none"));
  CHECK_THROWS_WITH(d2c::load_torch_checkpoint(path, "state_dict"), Contains("\"model\", \"ema\""));
}

TEST_CASE("formats reference: a safetensors file of the reference writer") {
  const d2c::SafetensorsFile file{reference_folder() / "written.safetensors"};
  CHECK(file.metadata().at("note") == "gr\u00f6\u00dfer, \"quoted\"");
  CHECK(same(d2c::to_tensor(file, "f32"), base().view({2, 3, 4}) / 8));
  CHECK(same(d2c::to_tensor(file, "float16"), base().to(at::kHalf) / 3));
  CHECK(same(d2c::to_tensor(file, "bfloat16"), base().to(at::kBFloat16) / 3));
  CHECK(same(d2c::to_tensor(file, "float64"), base().to(at::kDouble) / 3));
  CHECK(same(d2c::to_tensor(file, "int64"), base().to(at::kLong) * (std::int64_t{1} << 40)));
  CHECK(same(d2c::to_tensor(file, "int8"), base().to(at::kChar) - 12));
  CHECK(same(d2c::to_tensor(file, "uint8"), base().to(at::kByte) + 200));
  CHECK(same(d2c::to_tensor(file, "bool"), base() > 11));
  CHECK(same(d2c::to_tensor(file, "complex64"), at::complex(base(), -base())));
  CHECK(same(d2c::to_tensor(file, "scalar"), at::tensor(0.1f).squeeze()));
  CHECK(same(d2c::to_tensor(file, "empty"), at::zeros({0, 3})));
  CHECK_THROWS_WITH(d2c::to_tensor(file, "f32", {2, 12}),
                    Contains("\"f32\" of shape [2, 12], found [2, 3, 4]"));
}

TEST_CASE("formats reference: pictures, arrays and tables of other programs") {
  const auto folder = reference_folder();
  const auto pictures = d2c::load_safetensors(folder / "pictures.safetensors");
  for (const auto& [name, expected] : pictures) {
    INFO(name);
    const auto image = d2c::read_image(folder / (name + ".png"));
    const auto rgb = name == "grey" ? expected.unsqueeze(-1).repeat({1, 1, 3}) : expected;
    REQUIRE(static_cast<std::int64_t>(image.rgb.size()) == rgb.numel());
    CHECK(std::memcmp(image.rgb.data(), rgb.const_data_ptr(), image.rgb.size()) == 0);
  }

  const d2c::NpzFile arrays{folder / "stored.npz"};
  const auto labels = arrays.array("labels");
  REQUIRE(labels.dtype == d2c::DType::I64);
  REQUIRE(labels.shape == std::vector<std::int64_t>{7});
  for (std::int64_t i = 0; i < 7; ++i) {
    std::int64_t value = 0;
    std::memcpy(&value, labels.bytes.data() + 8 * i, 8);
    CHECK(value == i - 3);
  }
  CHECK(arrays.array("images").shape == std::vector<std::int64_t>{1, 6, 5, 3});
  CHECK(arrays.array("real").dtype == d2c::DType::F32);
  const d2c::NpzFile compressed{folder / "compressed.npz"};
  for (const auto& name : arrays.names()) {
    INFO(name);
    const auto one = arrays.array(name);
    const auto other = compressed.array(name);
    CHECK(other.dtype == one.dtype);
    CHECK(other.shape == one.shape);
    CHECK(std::equal(other.bytes.begin(), other.bytes.end(), one.bytes.begin(), one.bytes.end()));
  }
  CHECK_THROWS_WITH(d2c::NpzFile{folder / "fortran.npz"}.array("x"), Contains("in C order"));

  d2c::CsvReader table{folder / "table.csv"};
  std::vector<std::string> row;
  REQUIRE(table.next(row));
  CHECK(row[0] == "a, b");
  CHECK(table.number<double>(row[1], "number") == 0.1 + 0.2);
  REQUIRE(table.next(row));
  CHECK(row[0] == "say \"hi\"");
  CHECK(table.number<double>(row[1], "number") == 1e-300);
  REQUIRE(table.next(row));
  CHECK(row[0] == "two\r\nlines");
  CHECK(std::signbit(table.number<double>(row[1], "number")));
  REQUIRE(table.next(row));
  CHECK_FALSE(table.next(row));
}

TEST_CASE("formats reference: our files open in Python") {
  const auto folder = reference_folder();
  d2c::save_tensors(folder / "ours.safetensors",
                    {{"uint8", base().to(at::kByte)},
                     {"float32", base().view({2, 3, 4}) / 7},
                     {"transposed", (base().view({4, 6}) / 7).t()},
                     {"float16", base().to(at::kHalf)},
                     {"bfloat16", base().to(at::kBFloat16)},
                     {"float64", base().to(at::kDouble) / 7},
                     {"int64", base().to(at::kLong) - 12},
                     {"bool", base() > 11},
                     {"scalar", at::tensor(2.5f).squeeze()},
                     {"empty", at::zeros({0, 3})}},
                    {{"step", "7"}, {"note", "gr\u00f6\u00dfer, \"quoted\""}});

  const Tensor images = at::arange(2 * 4 * 5 * 3).to(at::kByte);
  const std::vector<std::int64_t> labels{3, -7};
  d2c::write_npz(folder / "ours.npz",
                 {{"arr_0",
                   d2c::DType::U8,
                   {2, 4, 5, 3},
                   {static_cast<const std::byte*>(images.const_data_ptr()), images.nbytes()}},
                  {"arr_1", d2c::DType::I64, {2}, std::as_bytes(std::span(labels))}});

  for (const int channels : {1, 3}) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < 6 * 5 * channels; ++i) {
      pixels.push_back(static_cast<std::uint8_t>(i * 7 % 256));
    }
    d2c::write_png(folder / (channels == 1 ? "ours_grey.png" : "ours_rgb.png"), pixels, 5, 6,
                   channels);
  }

  d2c::CsvWriter table{folder / "ours.csv", {"text", "number"}};
  table.row("a, b", 0.1 + 0.2);
  table.row("say \"hi\"", std::nextafter(1.0, 2.0));
  table.row("two\nlines", 1e-300);
  table.row("", std::nan(""));
  table.commit();

  std::ifstream file(folder / "readback");
  const std::string command{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(command.empty());
  CHECK(std::system((command + " \"" + folder.string() + "\"").c_str()) == 0);
}
