#include <cstdio>

#include <d2c/core.hpp>
#include <d2c/version.hpp>

int main() {
  std::printf("d2c %s\n", std::string(d2c::version).c_str());
  return 0;
}
