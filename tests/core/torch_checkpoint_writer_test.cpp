// Oracle: the reader of PyTorch checkpoints, whose own oracle is torch.save; torch.load opens what
// is written in tests/reference/published_readback.py.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/torch_checkpoint.hpp>
#include <d2c/io/torch_checkpoint_writer.hpp>
#include <d2c/io/zip_writer.hpp>

namespace {

namespace fs = std::filesystem;
using namespace d2c;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;

const std::vector<float> six{1, 2, 3, 4, 5, 6};
const std::vector<std::int64_t> large{std::int64_t{1} << 40};

TorchCheckpointTensor matrix(std::vector<std::int64_t> shape = {2, 3}) {
  return {DType::F32, std::move(shape), std::as_bytes(std::span(six))};
}

} // namespace

TEST_CASE("torch checkpoint writer: tensors of nested dicts come back by their dotted names") {
  const Folder folder;
  const fs::path path = folder / "a.pt";
  write_torch_checkpoint(
      path,
      {{"model",
        {TorchCheckpointDict{
            {"a.b", {matrix()}},
            {"empty", {TorchCheckpointTensor{DType::F16, {0}, {}}}},
            {"scalar", {TorchCheckpointTensor{DType::I64, {}, std::as_bytes(std::span(large))}}}}}},
       {"args",
        {TorchCheckpointDict{{"name", {std::string("gr\u00f6\u00dfer")}},
                             {"share", {0.1}},
                             {"flag", {true}},
                             {"widths", {std::vector<std::int64_t>{}}}}}},
       {"steps", {std::int64_t{-7}}}});
  const TorchCheckpoint file{path};
  CHECK(file.names() == std::vector<std::string>{"model.a.b", "model.empty", "model.scalar"});
  const CheckpointTensor& tensor = file.tensor("model.a.b");
  CHECK(tensor.dtype == DType::F32);
  CHECK(tensor.shape == std::vector<std::int64_t>{2, 3});
  REQUIRE(tensor.bytes.size() == 24);
  CHECK(std::memcmp(tensor.bytes.data(), six.data(), 24) == 0);
  CHECK(file.tensor("model.empty").count() == 0);
  CHECK(file.tensor("model.scalar").shape.empty());

  // Mapped floats must lie where floats may lie.
  std::ifstream in(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const std::string pattern(reinterpret_cast<const char*>(six.data()), 24);
  REQUIRE(whole.find(pattern) != std::string::npos);
  CHECK(whole.find(pattern) % 64 == 0);
}

TEST_CASE("torch checkpoint writer: what cannot be written leaves no file") {
  const Folder folder;
  CHECK_THROWS_WITH(write_torch_checkpoint(folder / "a.pt", {{"x", {matrix({7})}}}),
                    Contains("expected 28 bytes for tensor 0, found 24"));
  CHECK_THROWS_WITH(
      write_torch_checkpoint(folder / "a.pt", {{"x", {TorchCheckpointTensor{DType::F4, {0}, {}}}}}),
      Contains("cannot be stored as a PyTorch checkpoint"));
  {
    ZipWriter zip{folder / "a.zip"};
    CHECK_THROWS_AS(zip.append("text"), Failure);
    zip.begin("one");
    CHECK_THROWS_WITH(zip.begin("one"), Contains("\"one\" again"));
  }
  CHECK(fs::is_empty(folder.path()));
}
