// Configuration sections: the adapted list and the struct agree.
//
// d2c-case 1: \[d2c\.config\.fields\] the adapted field list and the struct disagree
// d2c-case 2: \[d2c\.config\.fields\] the adapted field list and the struct disagree

#include <cstdint>
#include <string_view>

#include <d2c/config/adapt.hpp>

struct BlurConfig {
  static constexpr std::string_view section = "blur";
  double radius = 1.0;
  std::int64_t passes = 2;
};

#if D2C_CASE == 0
D2C_CONFIG(BlurConfig, radius, passes)
#elif D2C_CASE == 1 // one forgotten
D2C_CONFIG(BlurConfig, radius)
#elif D2C_CASE == 2 // one twice
D2C_CONFIG(BlurConfig, radius, passes, passes)
#endif

int main() {}
