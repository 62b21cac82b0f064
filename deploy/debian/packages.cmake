# Debian packages: `cpack -G DEB` in the build directory. Included last by the top CMakeLists.txt.
#
#   livekit-token-service   programs, systemd units, examples; nothing is started until it is configured
#   liblivekit-token-dev    headers and static libraries that sign and verify tokens
#
# With SOURCE_DATE_EPOCH in the environment the same build gives the same bytes.
set(debian_dir ${CMAKE_CURRENT_LIST_DIR})
set(systemd_dir ${PROJECT_SOURCE_DIR}/deploy/systemd)
# EXCLUDE_FROM_ALL: `cmake --install` without a component must not write to /etc.
set(doc_dir share/doc/livekit-token-service)

function(install_for_debian kind)
  install(${kind} ${ARGN} COMPONENT systemd EXCLUDE_FROM_ALL)
endfunction()
foreach(name IN ITEMS server gateway standalone)
  install_for_debian(FILES ${systemd_dir}/livekit-token-${name}.service DESTINATION lib/systemd/system)
endforeach()
install_for_debian(DIRECTORY ${systemd_dir}/livekit-token-.service.d DESTINATION lib/systemd/system)
install_for_debian(FILES ${systemd_dir}/sysusers.conf DESTINATION lib/sysusers.d RENAME livekit-token-service.conf)
install_for_debian(FILES ${systemd_dir}/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME livekit-token-service.conf)
install_for_debian(PROGRAMS ${systemd_dir}/checked-start DESTINATION libexec/livekit-token-service)
install_for_debian(FILES ${debian_dir}/logrotate DESTINATION /etc/logrotate.d RENAME livekit-token-service)
install_for_debian(FILES ${PROJECT_SOURCE_DIR}/deploy/README.md ${debian_dir}/copyright DESTINATION ${doc_dir})
install_for_debian(DIRECTORY ${debian_dir}/examples DESTINATION ${doc_dir})
install_for_debian(FILES ${debian_dir}/lintian-overrides DESTINATION share/lintian/overrides
  RENAME livekit-token-service)
install(FILES ${debian_dir}/copyright DESTINATION share/doc/liblivekit-token-dev COMPONENT library EXCLUDE_FROM_ALL)
install(FILES ${debian_dir}/lintian-overrides DESTINATION share/lintian/overrides RENAME liblivekit-token-dev
  COMPONENT library EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME livekit-token-service)
set(CPACK_PACKAGE_CONTACT "livekit-token-service maintainers <livekit-token-service@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL programs systemd library)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENT_PROGRAMS_GROUP service)
set(CPACK_COMPONENT_SYSTEMD_GROUP service)
set(CPACK_COMPONENT_LIBRARY_GROUP dev)
set(CPACK_PRE_BUILD_SCRIPTS ${debian_dir}/changelog.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SERVICE_PACKAGE_NAME livekit-token-service)
set(CPACK_DEBIAN_SERVICE_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVICE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_SERVICE_PACKAGE_DEPENDS "systemd (>= 252)")
set(CPACK_DEBIAN_SERVICE_PACKAGE_SUGGESTS logrotate)
set(CPACK_DEBIAN_SERVICE_PACKAGE_CONTROL_EXTRA
  ${debian_dir}/postinst ${debian_dir}/prerm ${debian_dir}/postrm ${debian_dir}/conffiles)
set(CPACK_COMPONENT_SERVICE_DESCRIPTION "token service for LiveKit
Signs the access tokens with which participants join LiveKit rooms: over HTTP
for the client SDKs of apps, and over gRPC for services. Who asks is
authenticated, and a policy decides about every field.
.
The services are installed but not started: there are no default keys.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME liblivekit-token-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
# What find_package(livekit_token) looks for.
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libssl-dev (>= 3.0), libprotobuf-dev (>= 3.21), libabsl-dev, protobuf-compiler")
set(CPACK_COMPONENT_DEV_DESCRIPTION "LiveKit access tokens in C++ (development files)
Headers for C++17 and static libraries that build, sign and verify the access
tokens of LiveKit, with a package for CMake.")

include(CPack)
