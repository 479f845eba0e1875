# Installs BUILD, then configures, builds and runs the consumer project against the prefix alone.

function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${what} ended with ${status}:\n${output}")
  endif()
  message(STATUS "${what}: done")
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(prefix "${FOLDER}/prefix")
set(build "${FOLDER}/build")
file(REMOVE_RECURSE "${prefix}" "${build}")
string(REPLACE ";" "\\;" launcher "${LAUNCHER}")

# Only the library: its own examples need not be built for it.
step("install" ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}" --component Unspecified)
step("configure" ${CMAKE_COMMAND} -S "${SOURCE}" -B "${build}" -G "${GENERATOR}"
     -D CMAKE_BUILD_TYPE=Debug -D "CMAKE_PREFIX_PATH=${prefix}" -D "CMAKE_CXX_COMPILER=${COMPILER}"
     -D "CMAKE_CXX_COMPILER_LAUNCHER=${launcher}" -D "D2C_TORCH_ROOT=${TORCH}"
     -D "WANTED_VERSION=${VERSION}" -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
step("build" ${CMAKE_COMMAND} --build "${build}")
step("core program" "${build}/core_only")
step("tests" ${CMAKE_CTEST_COMMAND} --test-dir "${build}" --output-on-failure --no-tests=error)
step("describe" "${build}/card" describe)
if(NOT output MATCHES "Interval<96>")
  message(FATAL_ERROR "card describe does not name its selection policy:\n${output}")
endif()
