// Files that are there completely or not at all: written beside their place, renamed when done.

#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace punster {

/// The name beside `path` under which its next version is made. Its own for every process, so that
/// two runs never meet, and known beforehand, so that an interrupted one can be cleaned up after.
[[nodiscard]] std::string draft_name(const std::string& path);

/// Removes the draft of `path`, and drafts of that draft.
void remove_drafts(const std::string& path);

/// Moves the draft of `path` to its place.
Result<void> keep_draft(const std::string& path);

/// A text file in the making. What is no regular file (a pipe, /dev/stdout) is written directly.
class FileDraft {
 public:
  /// Errors: "unwritable".
  static Result<FileDraft> open(const std::string& path);
  ~FileDraft();
  FileDraft(FileDraft&& other) noexcept;

  void write(std::string_view text);
  /// Completes the file. Errors: "disk_full", "unwritable"; also those of earlier writes.
  Result<void> keep();

 private:
  FileDraft(std::string path, bool direct, std::FILE* file);
  std::string path_;
  bool direct_;
  std::FILE* file_;
  int failure_ = 0;
};

/// A FileDraft with this text, kept.
Result<void> write_file(const std::string& path, std::string_view text);

/// What is made within the draft of a folder, and folders themselves; errors: "unwritable".
Result<void> make_folder(const std::string& path);  // with those above it
Result<void> make_link(const std::string& target, const std::string& link);
Result<void> make_hard_link(const std::string& file, const std::string& link);

}  // namespace punster
