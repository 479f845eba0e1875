# LibTorch as one imported target, d2c::torch. Used by the build and by the installed package.
#
# The libraries come from a torch root, the folder that holds include/ and lib/: that of the Python
# wheel or of an unpacked LibTorch. TorchConfig is not used: with a CUDA wheel it fails on a machine
# without a CUDA toolkit, and with one it sets CUDA flags for the whole project.
#
# In:  D2C_TORCH_ROOT (cache or environment). Left empty: the project's .deps/venv (or
#      $D2C_DEPS_DIR/venv), then the python3 in PATH.
# Out: d2c::torch, D2C_TORCH_ROOT, D2C_TORCH_HAS_CUDA, D2C_TORCH_CUDA_FOLDER (the wheel's nvidia/cu13,
#      or empty), D2C_PYTHON (the interpreter of the virtual environment, or the one that belongs to the
#      root, or empty), D2C_PYTHON_PACKAGES (its site-packages, or empty)

set(D2C_TORCH_ROOT "$ENV{D2C_TORCH_ROOT}" CACHE PATH "Folder of LibTorch: holds include/ and lib/ (empty: looked for)")
# The environment is read once: a later run of CMake by the build tool may not have it.
set(D2C_DEPS_DIR "$ENV{D2C_DEPS_DIR}" CACHE PATH
    "Folder of the virtual environment venv/ (empty: .deps in the source tree)")
set(D2C_TORCH_MINIMUM 2.11)

function(d2c_guess_torch_root result)
  set(candidates "")
  set(venvs "")
  if(D2C_DEPS_DIR)
    list(APPEND venvs "${D2C_DEPS_DIR}/venv")
  endif()
  list(APPEND venvs "${CMAKE_SOURCE_DIR}/.deps/venv" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../.deps/venv")
  foreach(venv IN LISTS venvs)
    file(GLOB found "${venv}/lib/python3*/site-packages/torch")
    list(APPEND candidates ${found})
  endforeach()
  foreach(candidate IN LISTS candidates)
    if(EXISTS "${candidate}/lib/libtorch_cpu.so")
      set(${result} "${candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  find_program(D2C_PYTHON_IN_PATH python3)
  mark_as_advanced(D2C_PYTHON_IN_PATH)
  if(D2C_PYTHON_IN_PATH)
    # find_spec does not import torch: half a second less, and no failure on a broken installation.
    execute_process(
      COMMAND ${D2C_PYTHON_IN_PATH} -c
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(found AND EXISTS "${found}/lib/libtorch_cpu.so")
      set(${result} "${found}" PARENT_SCOPE)
      return()
    endif()
  endif()
  set(${result} "" PARENT_SCOPE)
endfunction()

function(d2c_find_torch)
  set(root "${D2C_TORCH_ROOT}")
  if(NOT root)
    d2c_guess_torch_root(root)
  endif()
  if(NOT root)
    message(FATAL_ERROR "d2c: no LibTorch was found. Fix: run scripts/install-dependencies, or pass "
                        "-D D2C_TORCH_ROOT=FOLDER with the folder that holds its include/ and lib/.")
  endif()
  get_filename_component(root "${root}" ABSOLUTE)
  foreach(file IN ITEMS lib/libtorch_cpu.so lib/libc10.so include/ATen/ATen.h)
    if(NOT EXISTS "${root}/${file}")
      message(FATAL_ERROR "d2c: ${root} is no LibTorch folder, it lacks ${file}. Fix: set "
                          "D2C_TORCH_ROOT to the folder that holds include/ and lib/.")
    endif()
  endforeach()

  set(version "0")
  foreach(header IN ITEMS torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${root}/include/${header}")
      file(STRINGS "${root}/include/${header}" lines
           REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      if(lines MATCHES "MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+)")
        set(version "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
        break()
      endif()
    endif()
  endforeach()
  if(version VERSION_LESS D2C_TORCH_MINIMUM)
    message(FATAL_ERROR "d2c: LibTorch in ${root} has version ${version}, but at least "
                        "${D2C_TORCH_MINIMUM} is needed. Fix: run scripts/install-dependencies, or "
                        "set D2C_TORCH_ROOT to a newer one.")
  endif()

  set(has_cuda OFF)
  if(EXISTS "${root}/lib/libtorch_cuda.so")
    set(has_cuda ON)
  endif()

  # The wheel's CUDA libraries lie in sibling folders. torch's own libraries know the way at run
  # time (their RPATH); the linker has to be told.
  get_filename_component(packages "${root}" DIRECTORY)
  file(GLOB nvidia LIST_DIRECTORIES true "${packages}/nvidia/*/lib")
  file(GLOB cuda_folder LIST_DIRECTORIES true "${packages}/nvidia/cu[0-9]*")

  # The encoders' weights and the Python references lie in the virtual environment, also where torch
  # comes from elsewhere.
  set(python "")
  set(python_packages "")
  get_filename_component(torch_prefix "${packages}/../../.." ABSOLUTE)
  foreach(prefix IN ITEMS "${D2C_DEPS_DIR}/venv" "${CMAKE_SOURCE_DIR}/.deps/venv" "${torch_prefix}")
    file(GLOB found "${prefix}/lib/python3*/site-packages")
    if(found AND EXISTS "${prefix}/bin/python3")
      list(GET found 0 python_packages)
      set(python "${prefix}/bin/python3")
      break()
    endif()
  endforeach()

  if(NOT TARGET d2c::torch)
    add_library(d2c::torch INTERFACE IMPORTED GLOBAL)
    target_include_directories(d2c::torch INTERFACE
      "${root}/include" "${root}/include/torch/csrc/api/include")
    set(rpath_link "")
    foreach(folder IN LISTS nvidia)
      list(APPEND rpath_link "-Wl,-rpath-link,${folder}")
    endforeach()
    target_link_options(d2c::torch INTERFACE ${rpath_link})
    target_link_libraries(d2c::torch INTERFACE "${root}/lib/libtorch_cpu.so" "${root}/lib/libc10.so")
    if(has_cuda)
      # Nothing of ours names a symbol of libtorch_cuda: without this the linker drops it, and
      # LibTorch then says that it has no GPU.
      target_link_libraries(d2c::torch INTERFACE
        "-Wl,--push-state,--no-as-needed,${root}/lib/libtorch_cuda.so,${root}/lib/libc10_cuda.so,--pop-state")
    endif()
    target_link_options(d2c::torch INTERFACE "-Wl,-rpath,${root}/lib")
  endif()

  set(D2C_TORCH_ROOT "${root}" PARENT_SCOPE)
  set(D2C_TORCH_HAS_CUDA ${has_cuda} PARENT_SCOPE)
  set(D2C_TORCH_CUDA_FOLDER "${cuda_folder}" PARENT_SCOPE)
  set(D2C_PYTHON "${python}" PARENT_SCOPE)
  set(D2C_PYTHON_PACKAGES "${python_packages}" PARENT_SCOPE)
  if(has_cuda)
    message(STATUS "d2c: LibTorch ${version} with CUDA in ${root}")
  else()
    message(STATUS "d2c: LibTorch ${version}, CPU only, in ${root}")
  endif()
endfunction()

d2c_find_torch()
