# Installs the headers, the targets and the CMake modules that a consumer's find_package(d2c) needs.

set(d2c_package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/d2c")
set(d2c_installed d2c_core d2c_d2c)
if(TARGET d2c_kernels)
  list(APPEND d2c_installed d2c_kernels)
  install(DIRECTORY "${PROJECT_BINARY_DIR}/generated/d2c" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endif()
install(TARGETS ${d2c_installed} EXPORT d2cTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT d2cTargets NAMESPACE d2c:: DESTINATION "${d2c_package_folder}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/d2c" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
configure_package_config_file(cmake/d2cConfig.cmake.in "${PROJECT_BINARY_DIR}/d2cConfig.cmake"
                              INSTALL_DESTINATION "${d2c_package_folder}")
# Below 1.0 a minor version may change anything.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/d2cConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/d2cConfig.cmake"
  "${PROJECT_BINARY_DIR}/d2cConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/D2CDependencies.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/D2CTorch.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/D2CCudart.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/D2CCompiled.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/D2CExperiment.cmake"
  DESTINATION "${d2c_package_folder}")
