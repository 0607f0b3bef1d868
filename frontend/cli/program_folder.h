// A program and its libraries in a folder of their own: FOLDER/NAME, FOLDER/lib/libc.so.6, ...
//
// ld.so looks into LD_LIBRARY_PATH by the names in DT_NEEDED, so each library keeps the name of its
// file, with a link for every name that it is looked for by. Only the program that is started, and
// what it starts, see the variable: nothing of the system is changed. The interpreter stays the
// system's, and so stays the pair of libc and ld.so: both are of one build. Libraries that are not
// rewritten are found where they always were; where the program looks for them relative to its own
// place ($ORIGIN), a link leads there.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "frontend/cli/dependencies.h"
#include "frontend/cli/run_report.h"
#include "protocol/messages.h"

namespace punster {

/// What became of one file.
struct ProgramPart {
  std::string name;    // as ld.so looks for it; of the program: its file name
  std::string source;  // where it was found
  std::string output;  // within the folder; empty: the original is used where it is
  bool rewritten = false;
  bool refused = false;  // it could not be, though sites were asked for
  std::string reason;    // why it was not
  std::uint64_t sites = 0, patched = 0, trapped = 0, failed = 0, mappings = 0;
};

struct ProgramFolder {
  std::vector<ProgramPart> parts;    // the program first
  std::vector<std::string> by_path;  // opened by absolute path: not covered
  std::vector<std::string> missing;  // found by nobody
  std::vector<std::string>
      elsewhere;  // rewritten, but ld.so takes another file first: "libx.so.1: PATH"
  bool set_id = false;
  bool has_libraries = false;  // there is a folder of them, rewritten ones or links
};

/// Makes `output`, which does not exist, from `source`, or says why not. An error ends everything.
using MakePart = std::function<Result<ProgramPart>(const std::string& source,
                                                   const std::string& output, bool is_program)>;

/// Fills `folder`, which exists and is empty, with what `dependencies` names. `is_wanted`:
/// libraries to be rewritten, by name.
Result<ProgramFolder> fill_folder(const Dependencies& dependencies, const std::string& folder,
                                  const std::function<bool(const std::string&)>& is_wanted,
                                  const MakePart& make);

/// The figures of one file, or why it is not rewritten.
[[nodiscard]] ProgramPart part_of(const RunReport& report);

[[nodiscard]] Json to_json(const ProgramFolder& folder);
/// Name of the folder of libraries within a folder.
inline constexpr const char* library_folder = "lib";

}  // namespace punster
