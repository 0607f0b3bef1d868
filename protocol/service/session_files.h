// Which files a session may name, and how they are opened. A service works with its owner's rights,
// so for everybody else this is the fence:
//
//   own         any path, like any program its user starts (standard input and output; the owner's
//               connections)
//   below root  paths below one directory (--root), resolved by the kernel in one step (openat2
//   with
//               RESOLVE_BENEATH): neither "..", nor an absolute path, nor a symbolic link that is
//               swapped at the right moment leads out
//   none        descriptors only, which the client opened with its own rights (--allow-uid)
//
// Whatever is named, the session then works with a path of its own: /proc/PID/fd/N. So nothing is
// looked up twice, and what the pipeline reads cannot be exchanged under its hands.

#pragma once

#include <string>
#include <vector>

#include "protocol/messages.h"
#include "protocol/service/descriptors.h"

namespace punster {

/// A place that a session may write to. Destroyed before keep(), nothing is left there.
class OutputPlace {
 public:
  ~OutputPlace();
  OutputPlace(OutputPlace&&) noexcept = default;

  /// Where to write.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// How the client calls it.
  [[nodiscard]] const std::string& shown() const { return shown_; }
  /// What was written to path() is complete: it gets the client's name, or goes into its
  /// descriptor. Errors: "unwritable", "disk_full".
  Result<void> keep();

 private:
  friend class SessionFiles;
  OutputPlace() = default;
  std::string path_, shown_;
  OwnedFd memory_, target_;  // for a descriptor
  OwnedFd folder_;           // below a root
  std::string draft_, leaf_;
};

class SessionFiles {
 public:
  /// Any path. `descriptors` may be null: the client cannot send any.
  static SessionFiles own(ReceivedDescriptors* descriptors = nullptr);
  /// Error "unreadable" when `root` is no directory.
  static Result<SessionFiles> below(const std::string& root, ReceivedDescriptors* descriptors);
  static SessionFiles none(ReceivedDescriptors* descriptors);

  /// A path to read `name` by; it stays valid as long as this object. A descriptor's contents are
  /// copied first, so that its owner can neither change nor shorten them under us. Errors, placed
  /// at /params/filename or /params/descriptor: "not_allowed", "no_descriptor", "unreadable",
  /// "too_large".
  Result<std::string> input(const FileName& name);
  /// A path to read `contents` by.
  Result<std::string> hold(std::string_view contents);
  Result<OutputPlace> output(const FileName& name);

  /// Whether requests may name files by path in other places, such as match expressions.
  [[nodiscard]] bool any_path() const { return paths_ == Paths::own; }

 private:
  enum class Paths { own, below_root, none };
  SessionFiles(Paths paths, ReceivedDescriptors* descriptors)
      : paths_(paths), descriptors_(descriptors) {}
  Result<OwnedFd> received(const FileName& name);
  Result<std::string> relative(const std::string& path) const;
  Result<void> need_paths() const;

  Paths paths_;
  ReceivedDescriptors* descriptors_;
  OwnedFd root_;
  std::string root_name_;
  std::vector<OwnedFd> held_;
};

/// What a file is called in messages: its path, or "descriptor 3".
[[nodiscard]] std::string shown_name(const FileName& name);

/// `error` with `from` in its message replaced by `to`: what a file is called, for the path it was
/// opened by.
[[nodiscard]] Error renamed(Error error, const std::string& from, const std::string& to);

}  // namespace punster
