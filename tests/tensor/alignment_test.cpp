// Oracles: by hand, and autograd over LibTorch's own cosine in float64.

#include <catch.hpp>

#include <d2c/tensor/torch.hpp>
#include <d2c/train/alignment_loss.hpp>

using namespace d2c;

TEST_CASE("alignment: equal directions give minus one, opposite ones plus one") {
  const Tensor tokens = at::randn({3, 5, 7});
  CHECK(alignment_loss(REPAAlign{}, tokens, tokens * 4).item<double>() == Approx(-1).margin(1e-6));
  CHECK(alignment_loss(REPAAlign{}, tokens, -tokens).item<double>() == Approx(1).margin(1e-6));
  const Tensor half = at::tensor({1.0f, 0.0f, 0.0f, 2.0f}).view({1, 2, 2});
  const Tensor other = at::tensor({3.0f, 0.0f, 1.0f, 0.0f}).view({1, 2, 2});
  CHECK(alignment_loss(REPAAlign{}, half, other).item<double>() == Approx(-0.5));
}

TEST_CASE("alignment: value and gradient are those of autograd over the plain formula") {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const Tensor projected = at::randn({2, 4, 6}, options).requires_grad_(true);
  const Tensor targets = at::randn({2, 4, 6}, options);
  const Tensor loss = alignment_loss(REPAAlign{}, projected, targets);
  (loss * 0.7).backward();
  const Tensor gradient = projected.grad().clone();

  const Tensor again = projected.detach().requires_grad_(true);
  const Tensor plain = at::cosine_similarity(again, targets, -1, 1e-12).mean().neg();
  (plain * 0.7).backward();
  CHECK(loss.item<double>() == Approx(plain.item<double>()).epsilon(1e-12));
  CHECK((gradient - again.grad()).abs().max().item<double>() < 1e-14);

  // And those of central differences, which know no formula.
  const double step = 1e-6;
  for (const std::int64_t i : {0, 17, 47}) {
    const Tensor up = projected.detach().clone();
    const Tensor down = projected.detach().clone();
    up.view(-1)[i] += step;
    down.view(-1)[i] -= step;
    const double slope = (alignment_loss(REPAAlign{}, up, targets).item<double>() -
                          alignment_loss(REPAAlign{}, down, targets).item<double>()) /
                         (2 * step);
    CHECK(0.7 * slope == Approx(gradient.view(-1)[i].item<double>()).margin(1e-9));
  }
}

TEST_CASE("alignment: zero vectors give finite gradients, half precision does not overflow") {
  const Tensor zeros = at::zeros({1, 2, 3}).requires_grad_(true);
  alignment_loss(REPAAlign{}, zeros, at::ones({1, 2, 3})).backward();
  CHECK(zeros.grad().isfinite().all().item<bool>());
  // The squared length of this vector is 3e9, beyond float16.
  const Tensor large = at::full({1, 1, 3}, 3.2e4).to(at::kHalf).requires_grad_(true);
  const Tensor loss = alignment_loss(REPAAlign{}, large, at::ones({1, 1, 3}));
  loss.backward();
  CHECK(loss.item<double>() == Approx(-1).margin(1e-6));
  CHECK(large.grad().scalar_type() == at::kHalf);
  CHECK(large.grad().isfinite().all().item<bool>());
}

TEST_CASE("alignment: shapes that differ are refused") {
  CHECK_THROWS_WITH(alignment_loss(REPAAlign{}, at::ones({1, 4, 3}), at::ones({1, 4, 5})),
                    "alignment: expected visual tokens of shape [1, 4, 3] like the projector's "
                    "output, found [1, 4, 5]");
}
