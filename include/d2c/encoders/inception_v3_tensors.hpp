#pragma once
/// The Inception-v3 of FID as lists: its convolutions, and the named tensors of the published file.
/// Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// One convolution without bias, followed by BatchNorm (eps 1e-3) and ReLU.
struct InceptionConvolution {
  std::string name; ///< "Mixed_5b.branch1x1"
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t stride = 1;
  bool padded = true;    ///< keeps the size (at stride 1); false: none
  std::int64_t side = 0; ///< rows and columns of its input

  friend bool operator==(const InceptionConvolution&, const InceptionConvolution&) = default;
};

/// The 94 convolutions in the order of the network (Szegedy et al. 2016).
inline std::vector<InceptionConvolution> inception_v3_convolutions() {
  std::vector<InceptionConvolution> list;
  std::int64_t side = 299;
  const auto add = [&](const std::string& name, std::int64_t in, std::int64_t out,
                       std::int64_t rows, std::int64_t columns) {
    list.push_back({name, in, out, rows, columns, 1, true, side});
  };
  const auto shrink = [&](const std::string& name, std::int64_t in, std::int64_t out,
                          std::int64_t stride) {
    list.push_back({name, in, out, 3, 3, stride, false, side});
  };
  shrink("Conv2d_1a_3x3", 3, 32, 2);
  side = 149;
  shrink("Conv2d_2a_3x3", 32, 32, 1);
  side = 147;
  add("Conv2d_2b_3x3", 32, 64, 3, 3);
  side = 73;
  add("Conv2d_3b_1x1", 64, 80, 1, 1);
  shrink("Conv2d_4a_3x3", 80, 192, 1);

  const auto at_35 = [&](const std::string& block, std::int64_t in, std::int64_t pool) {
    add(block + "branch1x1", in, 64, 1, 1);
    add(block + "branch5x5_1", in, 48, 1, 1);
    add(block + "branch5x5_2", 48, 64, 5, 5);
    add(block + "branch3x3dbl_1", in, 64, 1, 1);
    add(block + "branch3x3dbl_2", 64, 96, 3, 3);
    add(block + "branch3x3dbl_3", 96, 96, 3, 3);
    add(block + "branch_pool", in, pool, 1, 1);
  };
  side = 35;
  at_35("Mixed_5b.", 192, 32);
  at_35("Mixed_5c.", 256, 64);
  at_35("Mixed_5d.", 288, 64);

  shrink("Mixed_6a.branch3x3", 288, 384, 2);
  add("Mixed_6a.branch3x3dbl_1", 288, 64, 1, 1);
  add("Mixed_6a.branch3x3dbl_2", 64, 96, 3, 3);
  shrink("Mixed_6a.branch3x3dbl_3", 96, 96, 2);

  const auto at_17 = [&](const std::string& block, std::int64_t inner) {
    constexpr std::int64_t width = 768;
    add(block + "branch1x1", width, 192, 1, 1);
    add(block + "branch7x7_1", width, inner, 1, 1);
    add(block + "branch7x7_2", inner, inner, 1, 7);
    add(block + "branch7x7_3", inner, 192, 7, 1);
    add(block + "branch7x7dbl_1", width, inner, 1, 1);
    add(block + "branch7x7dbl_2", inner, inner, 7, 1);
    add(block + "branch7x7dbl_3", inner, inner, 1, 7);
    add(block + "branch7x7dbl_4", inner, inner, 7, 1);
    add(block + "branch7x7dbl_5", inner, 192, 1, 7);
    add(block + "branch_pool", width, 192, 1, 1);
  };
  side = 17;
  at_17("Mixed_6b.", 128);
  at_17("Mixed_6c.", 160);
  at_17("Mixed_6d.", 160);
  at_17("Mixed_6e.", 192);

  add("Mixed_7a.branch3x3_1", 768, 192, 1, 1);
  shrink("Mixed_7a.branch3x3_2", 192, 320, 2);
  add("Mixed_7a.branch7x7x3_1", 768, 192, 1, 1);
  add("Mixed_7a.branch7x7x3_2", 192, 192, 1, 7);
  add("Mixed_7a.branch7x7x3_3", 192, 192, 7, 1);
  shrink("Mixed_7a.branch7x7x3_4", 192, 192, 2);

  const auto at_8 = [&](const std::string& block, std::int64_t in) {
    add(block + "branch1x1", in, 320, 1, 1);
    add(block + "branch3x3_1", in, 384, 1, 1);
    add(block + "branch3x3_2a", 384, 384, 1, 3);
    add(block + "branch3x3_2b", 384, 384, 3, 1);
    add(block + "branch3x3dbl_1", in, 448, 1, 1);
    add(block + "branch3x3dbl_2", 448, 384, 3, 3);
    add(block + "branch3x3dbl_3a", 384, 384, 1, 3);
    add(block + "branch3x3dbl_3b", 384, 384, 3, 1);
    add(block + "branch_pool", in, 192, 1, 1);
  };
  side = 8;
  at_8("Mixed_7b.", 1280);
  at_8("Mixed_7c.", 2048);
  return list;
}

/// The 472 tensors of pt_inception-2015-12-05-6726825d.pth, which pytorch-fid and torch-fidelity
/// publish alike, without the counters of batches that some files carry beside them.
inline std::vector<NamedShape> inception_v3_tensors() {
  std::vector<NamedShape> list;
  for (const InceptionConvolution& layer : inception_v3_convolutions()) {
    list.push_back({layer.name + ".conv.weight", {layer.out, layer.in, layer.rows, layer.columns}});
    for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
      list.push_back({layer.name + ".bn." + part, {layer.out}});
    }
  }
  list.push_back({"fc.weight", {1008, 2048}});
  list.push_back({"fc.bias", {1008}});
  return list;
}

} // namespace d2c
