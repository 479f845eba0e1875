# d2c_add_compile_fail(source.cpp): code that must not compile.
#
# The source declares its cases in comments and selects one by D2C_CASE:
#   // d2c-case 1: <regular expression that the first error line must match>
# Case 0, the control, must compile. Every case becomes one test for g++ and, where it is
# installed, one for clang++. The rules are in run_compile_fail.cmake.

find_program(D2C_GXX NAMES g++ g++-12 g++-13 g++-14 DOC "g++ for the compile-fail tests")
find_program(D2C_CLANGXX NAMES clang++ clang++-14 clang++-15 clang++-16 clang++-19
             DOC "clang++ for the compile-fail tests")
mark_as_advanced(D2C_GXX D2C_CLANGXX)

# The flags of a file of the core ring, for scripts that call a compiler themselves.
function(d2c_core_flags result)
  get_target_property(definitions d2c::dependencies INTERFACE_COMPILE_DEFINITIONS)
  get_target_property(folders d2c::dependencies INTERFACE_INCLUDE_DIRECTORIES)
  set(flags -std=c++20 "-I${PROJECT_SOURCE_DIR}/include")
  foreach(definition IN LISTS definitions)
    list(APPEND flags "-D${definition}")
  endforeach()
  foreach(folder IN LISTS folders)
    if(folder)
      list(APPEND flags -isystem "${folder}")
    endif()
  endforeach()
  set(${result} "${flags}" PARENT_SCOPE)
endfunction()

function(d2c_add_compile_fail source)
  get_filename_component(source "${source}" ABSOLUTE)
  get_filename_component(name "${source}" NAME_WE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(STRINGS "${source}" lines REGEX "d2c-case [0-9]+:")
  set(cases 0)
  foreach(line IN LISTS lines)
    string(REGEX REPLACE ".*d2c-case ([0-9]+):.*" "\\1" case "${line}")
    list(APPEND cases ${case})
  endforeach()
  list(LENGTH cases count)
  if(count LESS 2)
    message(FATAL_ERROR "${source} declares no case: it needs a line '// d2c-case 1: <regex>'.")
  endif()
  d2c_core_flags(flags)
  foreach(compiler IN ITEMS GXX CLANGXX)
    if(D2C_${compiler})
      string(REPLACE "GXX" "g++" label "${compiler}")
      string(REPLACE "CLANg++" "clang++" label "${label}")
      foreach(case IN LISTS cases)
        set(test "compile-fail.${name}.${case}.${label}")
        add_test(NAME ${test} COMMAND
          ${CMAKE_COMMAND} -D "COMPILER=${D2C_${compiler}}" -D "FLAGS=${flags}"
          -D "SOURCE=${source}" -D "CASE=${case}" -P "${PROJECT_SOURCE_DIR}/cmake/run_compile_fail.cmake")
        set_tests_properties(${test} PROPERTIES LABELS compile-fail TIMEOUT 120)
      endforeach()
    endif()
  endforeach()
endfunction()
