#pragma once
/// Four variants of the quick start, random or interval selection, without or with attachment, as
/// four types. Each is a target of its own (CMakeLists.txt beside this file); they share every
/// stage that is equal in type and inputs.

#include <d2c/d2c.hpp>

namespace ablation {

using namespace d2c;

constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};

using Garments = Source<FashionMNIST, Pixels>;
using Difficulty = Scorer<DiT<small>>;
using Knowledge = Attacher<MiniLM, EfficientNetLite0<7>>;
using Plain = Trainer<SiT<small>, FlowMatching, NoAlign, Muon, LogitNormalTime>;
using Aligned = Trainer<SiT<small>, FlowMatching, REPAAlign, Muon, LogitNormalTime>;
using Sampling = Sampler<Euler>;
using Judge = Evaluator<FrechetDistance<EfficientNetLite0Pool>,
                        PrecisionRecall<EfficientNetLite0Pool>, CopyAudit<EfficientNetLite0Pool>>;

using RandomPlain =
    Named<"random", Pipeline<Garments, Selector<Random, PerClass<>>, Plain, Sampling, Judge>>;
using RandomAttached =
    Named<"random+attach",
          Pipeline<Garments, Selector<Random, PerClass<>>, Knowledge, Aligned, Sampling, Judge>>;
using IntervalPlain =
    Named<"interval",
          Pipeline<Garments, Difficulty, Selector<Interval<>, PerClass<>>, Plain, Sampling, Judge>>;
using IntervalAttached =
    Named<"interval+attach", Pipeline<Garments, Difficulty, Selector<Interval<>, PerClass<>>,
                                      Knowledge, Aligned, Sampling, Judge>>;

} // namespace ablation
