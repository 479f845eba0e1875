# The CUDA compiler and runtime. Out: D2C_HAS_CUDA, and the target d2c::cudart when it is ON.
#
# nvcc is looked for in PATH, in /usr/local/cuda, and beside LibTorch (the wheels of
# scripts/install-dependencies). Nothing here runs on a GPU, so a machine without one builds too.

include(D2CCudart)

if(NOT D2C_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "d2c: D2C_CUDA is '${D2C_CUDA}', expected AUTO, ON or OFF.")
endif()
set(D2C_HAS_CUDA OFF)
if(D2C_CUDA STREQUAL "OFF")
  message(STATUS "d2c: CPU only, as D2C_CUDA=OFF asks")
else()
  find_program(D2C_NVCC nvcc PATHS /usr/local/cuda/bin ${D2C_TORCH_CUDA_FOLDER}
               PATH_SUFFIXES bin DOC "The CUDA compiler")
  if(D2C_NVCC)
    set(D2C_HAS_CUDA ON)
  elseif(D2C_CUDA STREQUAL "ON")
    message(FATAL_ERROR "d2c: D2C_CUDA=ON, but no nvcc was found in PATH, /usr/local/cuda or beside "
                        "LibTorch. Fix: run scripts/install-dependencies, or pass -D D2C_CUDA=OFF.")
  else()
    message(STATUS "d2c: CPU only, no nvcc was found; scripts/install-dependencies installs one")
  endif()
endif()

if(D2C_HAS_CUDA)
  set(CMAKE_CUDA_COMPILER "${D2C_NVCC}")
  set(CMAKE_CUDA_ARCHITECTURES "${D2C_CUDA_ARCHITECTURES}")
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  get_filename_component(d2c_toolkit "${D2C_NVCC}" REALPATH)
  get_filename_component(d2c_toolkit "${d2c_toolkit}/../.." ABSOLUTE)
  # CMake proves the compiler by linking a program. The wheels keep their libraries in lib/, where nvcc
  # does not look; the environment of this CMake run tells it, and no flag stays behind.
  set(d2c_library_path "$ENV{LIBRARY_PATH}")
  set(ENV{LIBRARY_PATH} "${d2c_toolkit}/lib:${d2c_library_path}")
  enable_language(CUDA)
  set(ENV{LIBRARY_PATH} "${d2c_library_path}")
  # CMake before 3.26 does not know how nvcc spells C++20.
  foreach(kind IN ITEMS STANDARD EXTENSION)
    if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
      set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
    endif()
  endforeach()
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    d2c_find_cudart("${d2c_toolkit}")
    message(STATUS "d2c: kernels by CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${D2C_CUDA_ARCHITECTURES}")
  elseif(D2C_CUDA STREQUAL "ON")
    message(FATAL_ERROR "d2c: ${D2C_NVCC} is CUDA ${CMAKE_CUDA_COMPILER_VERSION}, but at least 13.0 "
                        "is needed. Fix: install a newer toolkit, or pass -D D2C_CUDA=OFF.")
  else()
    set(D2C_HAS_CUDA OFF)
    message(WARNING "d2c: CPU only, ${D2C_NVCC} is CUDA ${CMAKE_CUDA_COMPILER_VERSION} and at least "
                    "13.0 is needed.")
  endif()
endif()
