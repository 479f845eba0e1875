# Passes only if the harness refuses SOURCE, case CASE, and says REASON.

execute_process(
  COMMAND ${CMAKE_COMMAND} -D "COMPILER=${COMPILER}" -D "FLAGS=${FLAGS}" -D "SOURCE=${SOURCE}"
          -D "CASE=${CASE}" -P "${CMAKE_CURRENT_LIST_DIR}/../../../cmake/run_compile_fail.cmake"
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "The harness passed ${SOURCE}, which it must refuse.")
endif()
# The messages of CMake wrap at the edge of the terminal.
string(REGEX REPLACE "[ \n]+" " " flat "${output}")
string(FIND "${flat}" "${REASON}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "The harness refused ${SOURCE} for another reason than '${REASON}':\n${output}")
endif()
