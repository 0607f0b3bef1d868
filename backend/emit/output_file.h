// A file that comes into being complete or not at all.

#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

/// An unnamed (or, where the file system cannot, temporarily named) file beside `path`, which takes
/// `path`'s place in commit(). Destroyed before that, it is gone. Errors: "unwritable",
/// "disk_full", "too_large".
class OutputFile {
 public:
  /// A symbolic link is followed. What exists at `path` and is not a regular file is refused. An
  /// open file without a name, given as /proc/PID/fd/N, is written in place.
  static Result<OutputFile> create(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(OutputFile&&) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  Result<void> write(FileOffset at, std::span<const std::uint8_t> bytes);
  /// Sets the size; what was never written reads as zeros and takes no space.
  Result<void> resize(Bytes size);
  /// Gives the file the mode of `original`, its owner and group where permitted, and its name.
  Result<void> commit(const std::filesystem::path& original);

 private:
  OutputFile() = default;
  [[nodiscard]] Error failure(int code) const;

  int fd_ = -1;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty while unnamed
  bool nameless_ = false;
};

}  // namespace punster
