// The folder in which `punster run` keeps what it rewrote.
//
//   files/KEY/NAME, files/KEY/record     one rewritten file, or why there is none
//   programs/KEY/...                     a program with its libraries, hard links to the former
//   locks/KEY                            who works on an entry; flock, so that nobody's death
//   leaves it held contents/KEY                         the SHA-256 of a file with this place, size
//   and times
//
// A key is the SHA-256 of everything that the entry depends on, contents of files included, so an
// entry is right as long as it is whole. Entries are made under another name and renamed; `record`
// is written last and holds sizes and times of the files: an entry that somebody truncated, changed
// or half removed does not agree with it, and is made anew. Nothing is trusted that another user
// could have put there.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "frontend/cli/program_folder.h"

namespace punster {

class RunCache {
 public:
  /// `asked`, else $PUNSTER_CACHE, else punster in $XDG_CACHE_HOME, else ~/.cache/punster. Made
  /// when it is not there. Errors: "unwritable"; "unsafe_cache": not ours, or writable by others.
  static Result<RunCache> open(const std::optional<std::string>& asked);

  /// The folder of the entry `kind`/`key`, made by `make` in another folder if it is not there or
  /// not whole. Waits, and says so, while another process makes the same entry. `make`'s errors;
  /// "unwritable".
  Result<std::string> entry(const std::string& kind, const std::string& key,
                            const std::function<Result<void>(const std::string& folder)>& make);

  /// The SHA-256 of a file. Reads it only if its place, size or times are new. Error "unreadable".
  Result<std::string> contents_of(const std::string& path);

  /// Removes the entries that were not used for longest until the rest has at most `most` bytes.
  /// None that was used within the last ten minutes: somebody may be about to start it.
  void shrink(std::uint64_t most);

  /// Removes the entries that this process has begun. Any thread.
  void remove_unfinished() const;

 private:
  explicit RunCache(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace punster
