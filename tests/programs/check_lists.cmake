# Runs PROGRAM check --config CONFIG, which must end with code 2 and name every one of EXPECTED (a
# list, separated by "|"), each at the beginning of an error of its own.

execute_process(COMMAND "${PROGRAM}" check --config "${CONFIG}"
                RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT code STREQUAL "2")
  message(FATAL_ERROR "${PROGRAM} check: expected exit code 2, found ${code}:\n${output}${errors}")
endif()
string(REPLACE "|" ";" expected "${EXPECTED}")
foreach(place IN LISTS expected)
  string(FIND "${errors}" "error: ${place}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${PROGRAM} check: expected an error of ${place}, found only\n${errors}")
  endif()
endforeach()
