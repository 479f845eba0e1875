// Contracts between stages: what is needed, who provides it, in which order.
//
// d2c-case 1: \[d2c\.contract\.missing\] this stage needs artifacts that no stage
// d2c-case 2: \[d2c\.contract\.missing\] this stage needs artifacts that no stage
// d2c-case 3: \[d2c\.contract\.order\] this stage needs artifacts that only a later stage
// d2c-case 4: \[d2c\.contract\.duplicate\] this stage provides artifacts that an earlier
// d2c-case 5: \[d2c\.contract\.empty\] a pipeline needs at least one stage
// d2c-case 6: \[d2c\.contract\.repeated\] this type lists an artifact twice
// d2c-case 7: \[d2c\.contract\.repeated\] this type lists an artifact twice
// d2c-case 8: \[d2c\.contract\.missing\] this stage needs artifacts that no stage
// d2c-case 9: \[d2c\.contract\.missing\] this stage needs artifacts that no stage

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core.hpp>

using namespace d2c;

struct Report {
  static constexpr std::string_view kind = "report";
  static constexpr auto needs = set_of<Scores, Scores>;
  static constexpr auto provides = set_of<>;

  static std::string name() { return "Report"; }
};

struct Twice {
  using role = roles::selection;
  static constexpr std::string_view name = "Twice";
  static constexpr auto needs = set_of<Scores, Images, Scores>;

  std::vector<std::size_t> select(std::span<const Candidate>, const SelectionRequest&) const;
};

using Train = Trainer<SiT_B2, FlowMatching, REPAAlign>;

#if D2C_CASE == 0
using Experiment = Pipeline<Scorer<DiTXL>, Selector<Interval<>>, Attacher<DINOv2>, Train>;
#elif D2C_CASE == 1 // alignment without a vision encoder
using Experiment = Pipeline<Scorer<DiTXL>, Selector<Interval<>>, Attacher<T5>, Train>;
#elif D2C_CASE == 2 // nothing was selected
using Experiment = Pipeline<Scorer<DiTXL>, Trainer<SiT_B2, FlowMatching, NoAlign>>;
#elif D2C_CASE == 3
using Experiment = Pipeline<Scorer<DiTXL>, Selector<Interval<>>, Train, Attacher<DINOv2>>;
#elif D2C_CASE == 4
using Experiment = Pipeline<Scorer<DiTXL>, Scorer<DiT_S2>>;
#elif D2C_CASE == 5
using Experiment = Pipeline<>;
#elif D2C_CASE == 6 // in a stage
using Experiment = Pipeline<Scorer<DiTXL>, Report>;
#elif D2C_CASE == 7 // in a policy
using Experiment = Pipeline<Scorer<DiTXL>, Selector<Twice>>;
#elif D2C_CASE == 8 // text asked for, none attached
using Experiment = Pipeline<Selector<Random>, Trainer<SiT_B2, FlowMatching, NoAlign, DCEmbedding>>;
#elif D2C_CASE == 9 // entanglement without class tokens
using Experiment =
    Pipeline<Selector<Random>, Attacher<DINOv2>, Trainer<SiT_B2, FlowMatching, REGAlign>>;
#endif

int main() {
  for_each_type(Experiment::resolved_stages{}, []<class S>() { S::name(); });
  return facts_of<Experiment>().classes;
}
