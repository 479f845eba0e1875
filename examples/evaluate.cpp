// d2c-evaluate: judges an archive or a folder of images, from whatever model they are.

#include <d2c/app/evaluate_program.hpp>

int main(int argc, char** argv) {
  return d2c::evaluate_program(argc, argv);
}
