# How this project builds when it stands alone: processor, sanitizers, ccache, memory. A project
# that uses d2c as a part decides these things itself.

# One optimisation level everywhere: tests see the code that users run. No -ffast-math: NaN checks
# and the order of sums are part of what we promise. -ffp-contract stays at the compiler's default
# (fused multiply-add where the processor has it): a program gives the same bits on every run and
# resume on one kind of processor, and the references agree to 1e-5 either way. Switching it off would
# not give the same bits on different processors: the matrix library underneath differs there too.
if(D2C_NATIVE)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-march=native D2C_COMPILER_KNOWS_NATIVE)
  if(D2C_COMPILER_KNOWS_NATIVE)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-march=native>)
  endif()
endif()

if(D2C_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${D2C_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>)
  add_link_options(-fsanitize=${D2C_SANITIZE})
endif()

find_program(D2C_CCACHE ccache)
mark_as_advanced(D2C_CCACHE)
if(D2C_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for before it caches files that use a precompiled header; the
  # base folder lets another clone of the project profit from this one.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${D2C_CCACHE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${D2C_CCACHE}")
endif()

# A file that includes torch takes about 1.5 GB to compile: no more at a time than memory holds.
cmake_host_system_information(RESULT d2c_memory_mb QUERY TOTAL_PHYSICAL_MEMORY)
math(EXPR d2c_torch_jobs "${d2c_memory_mb} / 2048")
if(d2c_torch_jobs LESS 1)
  set(d2c_torch_jobs 1)
endif()
set_property(GLOBAL APPEND PROPERTY JOB_POOLS torch=${d2c_torch_jobs})
set(D2C_TORCH_JOB_POOL torch)
