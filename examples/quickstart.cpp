/// The quick start: condense Fashion-MNIST, train a small SiT on the result, and judge it beside a
/// random subset of the same size, trained for the same number of steps.

#include <d2c/d2c.hpp>

using namespace d2c;

// 28 x 28 pixels in patches of 4: 49 tokens, the grid of the vision encoder.
constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};

using Garments = Source<FashionMNIST, Pixels>;
using Judge = Evaluator<FrechetDistance<EfficientNetLite0Pool>,
                        PrecisionRecall<EfficientNetLite0Pool>, CopyAudit<EfficientNetLite0Pool>>;

using Experiment =
    Named<"d2c", Pipeline<Garments, Scorer<DiT<small>>, Selector<Interval<>, PerClass<>>,
                          Attacher<MiniLM, EfficientNetLite0<7>>,
                          Trainer<SiT<small>, FlowMatching, REPAAlign, Muon, LogitNormalTime>,
                          Sampler<Euler>, Judge>>;

using Baseline =
    Named<"random", Pipeline<Garments, Selector<Random, PerClass<>>,
                             Trainer<SiT<small>, FlowMatching, NoAlign, Muon, LogitNormalTime>,
                             Sampler<Euler>, Judge>>;

int main(int argc, char** argv) {
  return d2c::compare<Experiment, Baseline>(argc, argv);
}
