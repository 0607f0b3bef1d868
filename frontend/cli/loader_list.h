// Which libraries would ld.so load for a program, and from where? Nobody knows but ld.so.
//
// The answer depends on DT_NEEDED of everything already found, DT_RPATH of whoever asks and of its
// ancestors, LD_LIBRARY_PATH, DT_RUNPATH, the cache and its format, the processor (glibc-hwcaps,
// platforms), $ORIGIN, $LIB, LD_PRELOAD, and on the version and the build of ld.so: a program may
// name one of its own, with a libc of its own. Whoever repeats these rules gets some of them wrong.
// So the interpreter that the program names is asked itself (as ldd asks it;
// glibc's and musl's can): it maps the files and runs nothing of them.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace punster {

struct LoadedLibrary {
  std::string name;                 // as it was asked for; with a slash: not searched for
  std::optional<std::string> path;  // nothing: not found
};

struct LoaderQuery {
  std::string interpreter, program;
  std::vector<std::string> also;  // names to be looked for as well; what is not there is left out
  std::optional<std::string> first_look;  // a folder that is searched before LD_LIBRARY_PATH
};

/// LD_LIBRARY_PATH with `folder` before what it is.
[[nodiscard]] std::string library_path_with(const std::string& folder);

/// In loading order, without the program, the interpreter and the kernel's vdso. Errors:
/// "no_interpreter" (it cannot be run, or does not know --list).
Result<std::vector<LoadedLibrary>> ask_loader(const LoaderQuery& query);

}  // namespace punster
