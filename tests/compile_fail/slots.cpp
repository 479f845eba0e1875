// Policies of a stage: known roles, one per role, all that are required, with all members.
//
// d2c-case 1: \[d2c\.slot\.unknown\] this type is not a policy that the stage accepts
// d2c-case 2: \[d2c\.slot\.unknown\] this type is not a policy that the stage accepts
// d2c-case 3: \[d2c\.slot\.duplicate\] two policies of the same role
// d2c-case 4: \[d2c\.slot\.duplicate\] two policies of the same role
// d2c-case 5: \[d2c\.slot\.required\] a role without default has no policy
// d2c-case 6: \[d2c\.slot\.required\] a role without default has no policy
// d2c-case 7: \[d2c\.policy\.shape\] this policy lacks a member of its concept
// d2c-case 8: \[d2c\.slot\.required\] a role without default has no policy
// d2c-case 9: \[d2c\.slot\.unknown\] this type is not a policy that the stage accepts

#include <d2c/core.hpp>

using namespace d2c;

struct Encoder { // no width
  using role = roles::vision_encoder;
  static constexpr std::string_view name = "Encoder";
  static constexpr int tokens = 256;
  static constexpr auto provides = set_of<VisualTokens>;
};

using Distance = FrechetDistance<EfficientNetLite0Pool>;

#if D2C_CASE == 0
using Experiment = Pipeline<Selector<PerClass<10>, Random>, Attacher<DINOv2, T5>,
                            Trainer<REPAAlign, FlowMatching, SiT_S2>, Sampler<Heun>,
                            Evaluator<Distance, CopyAudit<EfficientNetLite0Pool>>>;
#elif D2C_CASE == 1
using Experiment = Pipeline<Scorer<int>>;
#elif D2C_CASE == 2 // a policy of another stage
using Experiment = Pipeline<Selector<Random, REPAAlign>>;
#elif D2C_CASE == 3
using Experiment = Pipeline<Selector<Random, Interval<4>>>;
#elif D2C_CASE == 4 // the same metric twice
using Experiment = Pipeline<Evaluator<Distance, Distance>>;
#elif D2C_CASE == 5
using Experiment = Pipeline<Scorer<>>;
#elif D2C_CASE == 6
using Experiment = Pipeline<Selector<Random>, Trainer<SiT_S2, FlowMatching>>;
#elif D2C_CASE == 7
using Experiment = Pipeline<Selector<Random>, Attacher<Encoder>>;
#elif D2C_CASE == 8
using Experiment = Pipeline<Selector<Random>, Evaluator<>>;
#elif D2C_CASE == 9 // a stage where a policy belongs
using Experiment = Pipeline<Selector<Scorer<DiTXL>>>;
#endif

int main() {
  for_each_type(Experiment::resolved_stages{}, []<class S>() { S::name(); });
  return facts_of<Experiment>().classes;
}
