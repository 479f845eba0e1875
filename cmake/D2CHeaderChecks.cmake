# d2c_add_header_checks(target): object libraries with one generated file per header, so that a
# header which forgets an include does not compile.
#
#   TARGET_core    headers that do not reach the torch gateway, each alone
#   TARGET_tensor  headers that do, on top of the precompiled gateway of the tests (2 s instead of 15), with the
#                  bodies of d2c::compiled, as the gateway is
#   TARGET_alone   the same without it, which also sees a forgotten standard header (label slow)
#
# The ring of a header is read from its includes when CMake runs; a header that changes its ring is
# only compiled in the other library until then. The ring test (tests/static) is the judge of rings.

function(d2c_split_headers core_result tensor_result)
  set(root "${PROJECT_SOURCE_DIR}/include")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${root}" "${root}/d2c/*.hpp")
  foreach(header IN LISTS headers)
    file(STRINGS "${root}/${header}" lines REGEX "^#include <d2c/")
    list(TRANSFORM lines REPLACE "^#include <([^>]+)>.*" "\\1")
    set("includes_${header}" "${lines}")
  endforeach()
  set(tensor d2c/tensor/torch.hpp)
  set(core ${headers})
  list(REMOVE_ITEM core ${tensor})
  set(changed TRUE)
  while(changed)
    set(changed FALSE)
    foreach(header IN LISTS core)
      foreach(included IN LISTS "includes_${header}")
        if(included IN_LIST tensor)
          list(APPEND tensor "${header}")
          list(REMOVE_ITEM core "${header}")
          set(changed TRUE)
          break()
        endif()
      endforeach()
    endforeach()
  endwhile()
  set(${core_result} "${core}" PARENT_SCOPE)
  set(${tensor_result} "${tensor}" PARENT_SCOPE)
endfunction()

function(d2c_add_header_checks target)
  d2c_split_headers(core tensor)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/headers")
  foreach(ring IN ITEMS core tensor)
    set(${ring}_files "")
    foreach(header IN LISTS ${ring})
      file(CONFIGURE OUTPUT "${folder}/${header}.cpp" CONTENT "#include <${header}>\n")
      list(APPEND ${ring}_files "${folder}/${header}.cpp")
    endforeach()
  endforeach()

  add_library(${target}_core OBJECT EXCLUDE_FROM_ALL ${core_files})
  target_link_libraries(${target}_core PRIVATE d2c::d2c d2c_warnings)
  add_library(${target}_tensor OBJECT EXCLUDE_FROM_ALL ${tensor_files})
  target_link_libraries(${target}_tensor PRIVATE d2c::compiled d2c_test_settings)
  target_precompile_headers(${target}_tensor REUSE_FROM d2c_tensor_pch)
  set_target_properties(${target}_tensor PROPERTIES JOB_POOL_COMPILE "${D2C_TORCH_JOB_POOL}")
  add_library(${target}_alone OBJECT EXCLUDE_FROM_ALL ${tensor_files})
  target_link_libraries(${target}_alone PRIVATE d2c::d2c d2c_warnings)
  target_compile_options(${target}_alone PRIVATE -O0)
  set_target_properties(${target}_alone PROPERTIES JOB_POOL_COMPILE "${D2C_TORCH_JOB_POOL}")
endfunction()
