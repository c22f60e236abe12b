# cmake --install gives another project the log buffers and the engine:
#   find_package(muster REQUIRED); target_link_libraries(app PRIVATE muster::muster_core)
include(CMakePackageConfigHelpers)
set(muster_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)

install(TARGETS muster_core muster_flags EXPORT muster_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT muster_targets NAMESPACE muster:: DESTINATION ${muster_package_dir})
install(DIRECTORY algorithms engine workloads DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster
  FILES_MATCHING PATTERN "*.h")
configure_package_config_file(cmake/muster-config.cmake.in ${CMAKE_BINARY_DIR}/muster-config.cmake
  INSTALL_DESTINATION ${muster_package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/muster-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/muster-config.cmake ${CMAKE_BINARY_DIR}/muster-config-version.cmake
  DESTINATION ${muster_package_dir})
