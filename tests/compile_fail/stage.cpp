// What counts as a stage.
//
// d2c-case 1: \[d2c\.stage\.shape\] this type is not a stage
// d2c-case 2: \[d2c\.stage\.shape\] this type is not a stage
// d2c-case 3: \[d2c\.stage\.shape\] this type is not a stage
// d2c-case 4: \[d2c\.slot\.required\] a role without default has no policy

#include <string>

#include <d2c/core.hpp>

using namespace d2c;

struct Inspection {
  static constexpr std::string_view kind = "inspect";
  static constexpr auto needs = set_of<Subset>;
#if D2C_CASE != 3
  static constexpr auto provides = set_of<>;
#endif

  static std::string name() {
    return "Inspection";
  }
};

#if D2C_CASE == 0
using Experiment = Pipeline<Selector<Random>, Inspection>;
#elif D2C_CASE == 1
using Experiment = Pipeline<int>;
#elif D2C_CASE == 2 // a policy where a stage belongs
using Experiment = Pipeline<Random>;
#elif D2C_CASE == 3 // a member is absent
using Experiment = Pipeline<Selector<Random>, Inspection>;
#elif D2C_CASE == 4 // a stage on its own is checked when it is made
using Experiment = Pipeline<Selector<Random>>;
constexpr Sampler<> alone{};
#endif

int main() {
  return facts_of<Experiment>().classes;
}
