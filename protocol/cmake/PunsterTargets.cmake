# punster_library(NAME [DEPENDS target...]): every .cpp of the current directory as one static
# library with the alias punster::NAME. What it may include follows from DEPENDS; the test
# `layering` checks that nobody reaches around it.
function(punster_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(punster_${name} STATIC ${sources})
  add_library(punster::${name} ALIAS punster_${name})
  target_link_libraries(punster_${name} PUBLIC punster::flags ${ARG_DEPENDS}
                                        PRIVATE ${ARG_PRIVATE_DEPENDS})
  set_target_properties(punster_${name} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()
