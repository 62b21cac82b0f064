# Installation of the library, component `library`: what find_package(livekit_token) finds.
include(CMakePackageConfigHelpers)

set(token_include_dir ${CMAKE_INSTALL_INCLUDEDIR}/livekit-token-service)
set(token_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/livekit_token)
set(token_targets token jose protojson base protocol)

foreach(part IN LISTS token_targets)
  set_target_properties(livekit_token_${part} PROPERTIES EXPORT_NAME ${part})
endforeach()
# Private dependencies are not exported, since most are headers only; this one is a library that consumers must link.
target_link_libraries(livekit_token_base INTERFACE $<INSTALL_INTERFACE:OpenSSL::Crypto>)

list(TRANSFORM token_targets PREPEND livekit_token_ OUTPUT_VARIABLE token_target_names)
install(TARGETS ${token_target_names} EXPORT livekit_token-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  INCLUDES DESTINATION ${token_include_dir})
install(EXPORT livekit_token-targets NAMESPACE livekit_token:: DESTINATION ${token_cmake_dir} COMPONENT library)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/include/ DESTINATION ${token_include_dir} COMPONENT library
  FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/livekit_token-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/livekit_token-config.cmake INSTALL_DESTINATION ${token_cmake_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/livekit_token-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/livekit_token-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/livekit_token-config-version.cmake DESTINATION ${token_cmake_dir} COMPONENT library)
