# Runs one Python reference into a fresh folder: cmake -D PYTHON= -D SCRIPT= -D FOLDER= -P this.

if(NOT EXISTS "${SCRIPT}")
  message(FATAL_ERROR "${SCRIPT} does not exist, but a test of that name reads its output.")
endif()
if(NOT PYTHON)
  message(FATAL_ERROR "No Python belongs to the LibTorch of this build, so ${SCRIPT} cannot run. "
                      "Fix: scripts/install-dependencies --tests, and leave D2C_TORCH_ROOT empty.")
endif()
file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")
execute_process(COMMAND "${PYTHON}" "${SCRIPT}" "${FOLDER}" RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PYTHON} ${SCRIPT} ${FOLDER} ended with ${status}. If a package is missing: "
                      "scripts/install-dependencies --tests.")
endif()
