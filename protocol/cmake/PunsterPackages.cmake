# Every package the project needs, each with the name that `apt-get install` wants when it is missing.

function(punster_require_header variable header debian_package)
  find_path(${variable} ${header})
  if(NOT ${variable})
    message(FATAL_ERROR "Cannot find ${header}. On Debian: apt-get install ${debian_package}")
  endif()
endfunction()

function(punster_require_library variable library debian_package)
  find_library(${variable} ${library})
  if(NOT ${variable})
    message(FATAL_ERROR "Cannot find lib${library}. On Debian: apt-get install ${debian_package}")
  endif()
endfunction()

find_package(Threads REQUIRED)

punster_require_header(LIEF_INCLUDE_DIR LIEF/LIEF.hpp liblief-dev)
punster_require_library(LIEF_LIBRARY LIEF liblief-dev)
add_library(punster_lief INTERFACE)
add_library(punster::lief ALIAS punster_lief)
target_include_directories(punster_lief SYSTEM INTERFACE ${LIEF_INCLUDE_DIR})
target_link_libraries(punster_lief INTERFACE ${LIEF_LIBRARY})

punster_require_header(LIBDW_INCLUDE_DIR elfutils/libdw.h libdw-dev)
punster_require_library(LIBDW_LIBRARY dw libdw-dev)
punster_require_library(LIBELF_LIBRARY elf libdw-dev)
add_library(punster_libdw INTERFACE)
add_library(punster::libdw ALIAS punster_libdw)
target_include_directories(punster_libdw SYSTEM INTERFACE ${LIBDW_INCLUDE_DIR})
target_link_libraries(punster_libdw INTERFACE ${LIBDW_LIBRARY} ${LIBELF_LIBRARY})

punster_require_header(ZYDIS_INCLUDE_DIR Zydis/Zydis.h libzydis-dev)
punster_require_library(ZYDIS_LIBRARY Zydis libzydis-dev)
add_library(punster_zydis INTERFACE)
add_library(punster::zydis ALIAS punster_zydis)
target_include_directories(punster_zydis SYSTEM INTERFACE ${ZYDIS_INCLUDE_DIR})
target_link_libraries(punster_zydis INTERFACE ${ZYDIS_LIBRARY})

punster_require_header(ZLIB_INCLUDE_DIR zlib.h zlib1g-dev)
punster_require_library(ZLIB_LIBRARY z zlib1g-dev)
add_library(punster_zlib INTERFACE)
add_library(punster::zlib ALIAS punster_zlib)
target_include_directories(punster_zlib SYSTEM INTERFACE ${ZLIB_INCLUDE_DIR})
target_link_libraries(punster_zlib INTERFACE ${ZLIB_LIBRARY})

punster_require_header(BOOST_INCLUDE_DIR boost/outcome.hpp libboost-dev)
punster_require_header(NLOHMANN_INCLUDE_DIR nlohmann/json.hpp nlohmann-json3-dev)
punster_require_header(CLI11_INCLUDE_DIR CLI/CLI.hpp libcli11-dev)
punster_require_library(FMT_LIBRARY fmt libfmt-dev)
punster_require_library(SPDLOG_LIBRARY spdlog libspdlog-dev)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)

if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  # Debian 12 ships Catch2 v2: tests include <catch2/catch.hpp>.
  punster_require_header(CATCH2_INCLUDE_DIR catch2/catch.hpp catch2)
endif()
