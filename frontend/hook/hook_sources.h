// The sources that `punster cc` compiles along with a hook, as text: they stand once, in this
// folder, and become part of the program, so that it needs no installed files.

#pragma once

#include <string_view>

namespace punster {

extern const std::string_view hook_header;       // punster/hook.h
extern const std::string_view hook_support;      // support.c
extern const std::string_view hook_vector_call;  // vector_call.S

}  // namespace punster
