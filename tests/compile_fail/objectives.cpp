// Objectives put together from parts that do not belong together.
//
// d2c-case 1: \[d2c\.objective\.parts\] the parts of the objective do not fit
// d2c-case 2: \[d2c\.objective\.parts\] the parts of the objective do not fit
// d2c-case 3: \[d2c\.objective\.parts\] the parts of the objective do not fit
// d2c-case 4: \[d2c\.objective\.parts\] the parts of the objective do not fit
// d2c-case 5: \[d2c\.objective\.family\] the objective does not belong to the family
// d2c-case 6: \[d2c\.sampler\.objective\] the sampling method cannot follow the path

#include <d2c/core.hpp>

using namespace d2c;

#if D2C_CASE == 0
using Objective = PathMatching<VpPath, PredictData, LikelihoodWeight>;
#elif D2C_CASE == 1
using Objective = PathMatching<LinearSchedule>;
#elif D2C_CASE == 2
using Objective = DdpmMatching<LinearPath>;
#elif D2C_CASE == 3
using Objective = PathMatching<GvpPath, PredictVelocity, VelocityWeight>;
#elif D2C_CASE == 4
using Objective = DdpmMatching<CosineSchedule, PredictVelocity, LikelihoodWeight>;
#elif D2C_CASE == 5
using Objective = DdpmMatching<CosineSchedule>;
#elif D2C_CASE == 6
using Objective = PathMatching<GvpPath>;
#endif

#if D2C_CASE == 6
using Method = DDPM;
#else
using Method = Euler;
#endif

using Experiment = Pipeline<Selector<Random>, Trainer<SiT_B2, Objective, NoAlign>, Sampler<Method>>;

int main() {
  return static_cast<int>(Objective::name.size() + Experiment::resolved_stages::size);
}
