# The warnings our own code is held to, as a target that tests, examples and benchmarks link.
# Third-party headers are SYSTEM and stay silent.

option(D2C_WERROR "Treat warnings as errors" OFF)
if(NOT TARGET d2c_warnings)
  # g++ 12 reports overlapping copies inside std::string that cannot happen (GCC bug 105329), and the
  # deliberately undefined vectors of its own AVX-512 header (GCC bug 105593).
  add_library(d2c_warnings INTERFACE)
  target_compile_options(d2c_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-sign-conversion>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict$<SEMICOLON>-Wno-maybe-uninitialized$<SEMICOLON>-Wno-uninitialized>
    $<$<AND:$<BOOL:${D2C_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>)
endif()
