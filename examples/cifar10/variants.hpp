#pragma once
/// The paper's CIFAR-10 protocol (Table 8) as three types: 1000 random images, 1000 condensed ones,
/// and the full set, with the same network in pixel space. Each is a target of its own
/// (CMakeLists.txt beside this file); they share every stage that is equal in type and inputs.

#include <d2c/d2c.hpp>

namespace cifar10 {

using namespace d2c;

// The paper names no network for CIFAR-10: the smallest published one, in patches of 2 pixels, so
// that 32 x 32 pixels are the 256 tokens of the ImageNet experiments.
using Photos = Source<Cifar10, Pixels>;
using Difficulty = Scorer<DiT_S2>;
using Knowledge = Attacher<MiniLM, EfficientNetLite0<16>>;
using Plain = Trainer<SiT_S2, FlowMatching, NoAlign>;
using Aligned = Trainer<SiT_S2, FlowMatching, REPAAlign>;
using Sampling = Sampler<EulerMaruyama>;
using Judge = Evaluator<FrechetDistance<EfficientNetLite0Pool>,
                        PrecisionRecall<EfficientNetLite0Pool>, CopyAudit<EfficientNetLite0Pool>>;

using RandomImages = Named<"random", Pipeline<Photos, Selector<Random>, Plain, Sampling, Judge>>;
using Condensed =
    Named<"d2c",
          Pipeline<Photos, Difficulty, Selector<Interval<>>, Knowledge, Aligned, Sampling, Judge>>;
using FullSet = Named<"full", Pipeline<Photos, Selector<All>, Plain, Sampling, Judge>>;

} // namespace cifar10
