# Run by CPack between staging and packing: the changelog that every Debian package has, in the version and at the time
# of this run.
string(TIMESTAMP time "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH, if it is set
foreach(component IN ITEMS service:livekit-token-service dev:liblivekit-token-dev)
  string(REGEX REPLACE ":.*" "" folder ${component})
  string(REGEX REPLACE ".*:" "" package ${component})
  set(changelog ${CPACK_TEMPORARY_DIRECTORY}/${folder}/usr/share/doc/${package}/changelog.Debian)
  file(WRITE ${changelog}
    "${package} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
    "  * Built from version ${CPACK_PACKAGE_VERSION} of livekit-token-service.\n\n"
    " -- ${CPACK_PACKAGE_CONTACT}  ${time}\n")
  execute_process(COMMAND gzip -9nf ${changelog} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
