// A program built on a wrong pipeline says what is wrong once, and nothing about itself.
//
// d2c-case 1: \[d2c\.contract\.missing\] this stage needs artifacts that no stage
// d2c-case 2: \[d2c\.contract\.missing\] this stage needs artifacts that no stage

#include <memory>
#include <string>

#include <d2c/app/program.hpp>
#include <d2c/core.hpp>

namespace d2c {

// What the tensor ring adds to a program, declared only: nothing is linked here.
template <class S>
ImageLoader image_loader_of(const S&, const Sections&);

template <class S>
std::shared_ptr<const Codec> codec_of(const S&, const Sections&, const std::string&);

template <class S>
void run_stage(const S&, StageContext&);

} // namespace d2c

using namespace d2c;

#if D2C_CASE == 0
using First = Named<"first", Pipeline<Scorer<DiTXL>, Selector<Interval<96>>>>;
#else
using First = Named<"first", Pipeline<Selector<Interval<96>>>>;
#endif

using Second = Named<"second", Pipeline<Scorer<DiTXL>>>;

int program(int argc, const char* const* argv, const Backend& backend) {
#if D2C_CASE == 1
  return run_program<First>(argc, argv, {.backend = backend});
#else
  return run_program<First, Second>(argc, argv, {.backend = backend});
#endif
}

int main() {}
