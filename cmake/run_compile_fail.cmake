# One case of a compile-fail source: cmake -D COMPILER= -D FLAGS= -D SOURCE= -D CASE= -P this.
#
# Case 0 passes when it compiles. Any other case passes only when the compiler refuses the code,
# prints exactly one error line, and that line matches the regular expression which the source
# declares for the case. So neither an unrelated breakage nor a text in a warning can pass.

cmake_minimum_required(VERSION 3.25)

set(expected "")
if(NOT CASE EQUAL 0)
  file(STRINGS "${SOURCE}" lines REGEX "d2c-case ${CASE}:")
  list(LENGTH lines count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${SOURCE}: expected one line 'd2c-case ${CASE}: <regex>', found ${count}.")
  endif()
  string(REGEX REPLACE ".*d2c-case ${CASE}: *" "" expected "${lines}")
endif()

# No -W flags: a user without warnings must see the error too, and warnings are not errors here.
execute_process(
  COMMAND "${CMAKE_COMMAND}" -E env LC_ALL=C "${COMPILER}" ${FLAGS} -D D2C_CASE=${CASE} -fsyntax-only "${SOURCE}"
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)

# Brackets and semicolons mean something to CMake's lists; the text is searched by line instead.
string(REGEX REPLACE "[[]" "<LB>" searched "${output}")
string(REGEX REPLACE "[]]" "<RB>" searched "${searched}")
string(REPLACE ";" "<SC>" searched "${searched}")
string(REPLACE "\n" ";" searched "${searched}")
set(errors "")
foreach(line IN LISTS searched)
  if(line MATCHES "(^|: )(fatal )?error: ")
    list(APPEND errors "${line}")
  endif()
endforeach()
list(LENGTH errors count)

if(CASE EQUAL 0)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "The control must compile, but ${COMPILER} refused it:\n${output}")
  endif()
elseif(status EQUAL 0)
  message(FATAL_ERROR "Case ${CASE} must not compile, but ${COMPILER} took it:\n${output}")
elseif(NOT count EQUAL 1)
  message(FATAL_ERROR "Case ${CASE} must give one error line, ${COMPILER} gave ${count}:\n${output}")
else()
  string(REPLACE "<LB>" "[" first "${errors}")
  string(REPLACE "<RB>" "]" first "${first}")
  string(REPLACE "<SC>" ";" first "${first}")
  if(NOT first MATCHES "${expected}")
    message(FATAL_ERROR "Case ${CASE}: expected an error that matches\n  ${expected}\nfound\n  ${first}")
  endif()
endif()
