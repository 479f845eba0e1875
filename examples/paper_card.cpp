/// The paper's experiment as one type: 10 000 ImageNet images (every 96th rank of a class), T5
/// text, DINOv2 patch features, SiT-L/2 with flow matching and representation alignment.
///
/// `paper_card describe` prints what the stages need, provide and weigh; `paper_card check --config
/// FILE` lists every file that is still missing.

#include <d2c/d2c.hpp>

using namespace d2c;

using Card = Pipeline<Scorer<DiTXL>, Selector<Interval<96>>, Attacher<T5, DINOv2>,
                      Trainer<SiT_L2, FlowMatching, REPAAlign>>;

int main(int argc, char** argv) {
  return d2c::run<Card>(argc, argv);
}
