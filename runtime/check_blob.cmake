# cmake -DBLOB=.. -DREADELF=.. -DNM=.. -DOFFSETS=.. -P check_blob.cmake
# Proves what the linker script cannot assert, and writes the offsets of the blob's entry points, taken from
# its symbol table.

function(output_of variable)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "runtime: ${ARGN} failed")
  endif()
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

output_of(undefined ${NM} --undefined-only ${BLOB})
if(NOT undefined STREQUAL "")
  message(FATAL_ERROR "runtime: undefined symbols, but there is nothing to link with:\n${undefined}")
endif()

output_of(relocations ${READELF} --relocs --wide ${BLOB})
if(relocations MATCHES "R_X86_64")
  message(FATAL_ERROR "runtime: relocations that nobody would apply:\n${relocations}")
endif()

output_of(segments ${READELF} --segments --wide ${BLOB})
if(segments MATCHES "LOAD[^\n]* RWE " OR segments MATCHES "\n +TLS ")
  message(FATAL_ERROR "runtime: a writable and executable, or a thread-local segment:\n${segments}")
endif()

output_of(symbols ${NM} ${BLOB})
set(header "// Generated from the blob's symbol table by check_blob.cmake.\n\n#pragma once\n\n")
foreach(name entry init gate config state_bytes)
  if(NOT symbols MATCHES "([0-9a-f]+) [A-Za-z] punster_${name}\n")
    message(FATAL_ERROR "runtime: the blob has no symbol punster_${name}")
  endif()
  string(APPEND header "inline constexpr unsigned long blob_offset_of_${name} = 0x${CMAKE_MATCH_1};\n")
endforeach()
foreach(name memcpy memmove memset memcmp)
  if(NOT symbols MATCHES " [tT] ${name}\n")
    message(FATAL_ERROR "runtime: the blob lacks ${name}, which compilers call unasked")
  endif()
endforeach()
file(WRITE ${OFFSETS} "${header}")
