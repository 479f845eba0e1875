/// The paper's experiment as one type: 10 000 ImageNet images (every 96th rank of a class), T5
/// text, DINOv2 patch features, SiT-L/2 with flow matching and representation alignment; then
/// samples, judged as ADM's evaluator does.
///
/// `paper_card describe` prints what the stages need, provide and weigh; `paper_card plan --config
/// FILE` what they cost; `paper_card check --config FILE` lists every file that is still missing.

#include <d2c/d2c.hpp>

using namespace d2c;

using Card = Pipeline<Scorer<DiTXL>, Selector<Interval<96>>, Attacher<T5, DINOv2>,
                      Trainer<SiT_L2, FlowMatching, REPAAlign>, Sampler<Euler>,
                      Evaluator<FID, SpatialFID, InceptionScore, PrecisionRecall<InceptionV3<>>>>;

int main(int argc, char** argv) {
  return d2c::run<Card>(argc, argv);
}
