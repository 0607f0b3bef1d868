// What a program consists of: its own file, the libraries that ld.so finds for it by name, and what
// it opens by paths of its own.

#pragma once

#include <string>
#include <vector>

#include "protocol/result.h"

namespace punster {

struct Library {
  std::string name;    // as ld.so looks for it, without a slash
  std::string source;  // the file, links followed
};

struct Dependencies {
  std::string program;               // the file, links followed
  std::string interpreter;           // empty: linked statically
  std::vector<Library> libraries;    // found by name, in loading order
  std::vector<std::string> by_path;  // libraries and folders of libraries named by absolute path
  std::vector<std::string> missing;  // needed, and found nowhere
  bool set_id = false;               // set-user-ID or set-group-ID
};

/// Libraries of DT_NEEDED and LD_PRELOAD, and of dlopen: names such as "libgcc_s.so.1" that stand
/// as texts in the program or in a library and that ld.so finds. Runs the program's interpreter,
/// and nothing else. Errors: "unreadable"; "not_a_program" (a script, a library); those of
/// Image::open's checks; "no_interpreter".
Result<Dependencies> find_dependencies(const std::string& input);

/// The program that a shell would start for `word`. Error "unreadable": there is none.
Result<std::string> find_program(const std::string& word);

}  // namespace punster
