#pragma once
/// A network with its inputs, outputs and gradients as a Python reference wrote them, and the error
/// they are judged by.

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include <catch.hpp>

#include <d2c/io/safetensors.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c_test {

/// One file NAME.safetensors that tests/reference/SCRIPT.py wrote into $D2C_REFERENCE_DIR/SCRIPT.
class NetworkReference {
public:
  NetworkReference(const std::string& script, const std::string& name)
      : file_{path_of(script, name)} {}

  [[nodiscard]] bool has(const std::string& name) const { return file_.has(name); }

  /// A tensor in float64, labels in int64.
  [[nodiscard]] at::Tensor read(const std::string& name) const {
    const auto& entry = file_.entry(name);
    const auto dtype = entry.dtype == d2c::DType::I64   ? at::kLong
                       : entry.dtype == d2c::DType::F32 ? at::kFloat
                                                        : at::kDouble;
    REQUIRE((dtype != at::kDouble || entry.dtype == d2c::DType::F64));
    auto tensor = at::empty(entry.shape, dtype);
    std::memcpy(tensor.mutable_data_ptr(), entry.bytes.data(), entry.bytes.size());
    return dtype == at::kLong ? tensor : tensor.to(at::kDouble);
  }

  /// A number of the metadata, 0 where the script does not write it.
  [[nodiscard]] int number(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? 0 : std::stoi(found->second);
  }

  [[nodiscard]] d2c::NetworkShape shape() const {
    d2c::NetworkShape shape;
    shape.learn_sigma = number("learn_sigma") != 0;
    shape.family = shape.learn_sigma ? d2c::Family::dit : d2c::Family::sit;
    shape.size = {number("depth"), number("width"), number("heads"), number("patch"),
                  number("mlp_ratio")};
    shape.channels = number("channels");
    shape.height = number("image_height");
    shape.width = number("image_width");
    shape.classes = number("classes");
    shape.class_embedding = number("class_embedding") != 0;
    shape.text_embedding = number("text_embedding") != 0;
    shape.text_tokens = number("text_tokens");
    shape.text_width = number("text_width");
    shape.align_depth = number("align_depth");
    shape.align_width = number("align_width");
    shape.align_hidden = number("align_hidden");
    shape.class_token_width = number("class_token_width");
    return shape;
  }

  /// Gives the network the reference's weights and text table.
  void load_into(d2c::DiffusionTransformer& network) const {
    for (const auto& entry : network.parameters().entries()) {
      network.parameters().value(entry.name).copy_(read("weight." + entry.name));
    }
    if (network.shape().text_embedding) {
      network.set_text_table(read("input.text"), read("input.mask"));
    }
  }

private:
  static std::filesystem::path path_of(const std::string& script, const std::string& name) {
    const char* folder = std::getenv("D2C_REFERENCE_DIR");
    if (folder == nullptr) {
      FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/" << script << ".py wrote "
                                                                          << script << "/ into");
    }
    return std::filesystem::path(folder) / script / (name + ".safetensors");
  }

  d2c::SafetensorsFile file_;
};

/// The largest difference, in units of the largest expected value.
inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  REQUIRE(found.sizes() == expected.sizes());
  const auto scale = expected.abs().max().item<double>();
  return (found.detach().to(at::kDouble) - expected).abs().max().item<double>() /
         (scale > 0 ? scale : 1);
}

} // namespace d2c_test
