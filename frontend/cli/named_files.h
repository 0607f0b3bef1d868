// Names of libraries that stand as texts in a file: what it may hand to dlopen.

#pragma once

#include <set>
#include <string>

#include "frontend/image/byte_view.h"

namespace punster {

struct NamedFiles {
  std::set<std::string> names;  // "libgcc_s.so.1"
  std::set<std::string> paths;  // absolute ones that might be libraries or folders of them
};

/// Adds what stands in `bytes` as a text of its own, ended by a NUL.
void find_named_files(ByteView bytes, NamedFiles& found);

}  // namespace punster
