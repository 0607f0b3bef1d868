// Framing: one JSON value per line, over any pair of file descriptors (pipe, socket, file).
//
// A line is the unit of loss: whatever is wrong with one, the next one starts clean. Nothing here
// throws, and nothing here knows what a request is.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.h"

namespace punster {

/// A batch of 16,384 patches with three text columns is some 4 MiB. Sixteen times that is still
/// nothing against memory, while an unbounded line could take all of it.
inline constexpr std::size_t max_line_bytes = std::size_t{64} << 20;

/// Deeper than any message of ours (7) and any template seen (3), far below what the recursive
/// parts of the JSON library (copy, dump, compare) survive on a 64 KiB stack.
inline constexpr unsigned max_nesting = 128;

/// What a LineReader reads with, where read() is not enough.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Like read(2), errno included.
  virtual ssize_t read(char* to, std::size_t size) = 0;
};

/// Reads lines from a descriptor, which it does not own. Not thread-safe.
class LineReader {
 public:
  /// As soon as `stop_fd` (an eventfd, say) is readable, the stream is taken to have ended; -1:
  /// never. `source`, if not null, reads from `fd`; it outlives this object.
  explicit LineReader(int fd, std::size_t max_line = max_line_bytes, int stop_fd = -1,
                      ByteSource* source = nullptr);

  /// The next line that is not blank, without its line end, or nothing at the end of the stream. A
  /// last line without a line end counts. The view is valid until the next call. Errors: "too_long"
  /// (the line is skipped; reading may go on), "io" (it may not).
  [[nodiscard]] Result<std::optional<std::string_view>> next();

 private:
  Result<bool> fill();
  int fd_;
  std::size_t max_line_;
  int stop_fd_;
  ByteSource* source_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // unread bytes of buffer_
  bool at_end_ = false;
};

/// Writes lines to a descriptor, which it does not own. Threads may share one: lines never mix.
class LineWriter {
 public:
  /// SIGPIPE is ignored from here on in this process, so that a vanished peer is an error value.
  explicit LineWriter(int fd);

  /// Writes `text` and a line end. `text` contains no line end (JSON as we dump it never does).
  /// Errors: "disconnected" when the other side is gone, "io" otherwise.
  Result<void> write(std::string_view text);
  Result<void> send(const nlohmann::json& value);

 private:
  int fd_;
  std::mutex mutex_;
};

/// Parses one JSON text. Errors: kind "parse_error" with the column, also for nesting beyond
/// max_nesting and for text that is not UTF-8.
[[nodiscard]] Result<nlohmann::json> parse_json(std::string_view text);

/// One line of text, never throwing: bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string dump_json(const nlohmann::json& value);

}  // namespace punster
