// Transcripts: what was said in a session, line by line, as PROTOCOL.md prints it ("--> " from the
// client, "<-- " to it). `punster.replay` of the Python package and the tests replay them.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace punster {

class Recorder {
 public:
  /// Truncates `path`. Error "unwritable".
  static Result<Recorder> create(const std::string& path);
  ~Recorder();
  Recorder(Recorder&&) noexcept;

  /// A line as it came, whatever is in it. Threads may call at once.
  void heard(std::string_view line);
  void said(std::string_view line);

 private:
  struct File;
  explicit Recorder(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

}  // namespace punster
