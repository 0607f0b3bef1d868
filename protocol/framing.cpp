#include "protocol/framing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace punster {
namespace {

constexpr std::size_t read_size = std::size_t{64} << 10;  // a pipe's capacity

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

/// The column at which `text` nests deeper than max_nesting, or nothing. The JSON library parses
/// iteratively but copies, compares and dumps recursively: a bomb must not get as far as a value.
std::optional<std::size_t> too_deep(std::string_view text) {
  unsigned depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_nesting) return i;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

/// Listens to a text known to be faulty, only to say where. Nothing is built.
class FaultFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    column = position;
    return false;
  }
  std::size_t column = 0;
};

}  // namespace

LineReader::LineReader(int fd, std::size_t max_line, int stop_fd, ByteSource* source)
    : fd_(fd), max_line_(max_line), stop_fd_(stop_fd), source_(source) {}

// Reads more behind end_. False at the end of the stream.
Result<bool> LineReader::fill() {
  if (at_end_) return false;
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < read_size) {
    // Either move what is left to the front or grow; both at most double the work of the bytes
    // read.
    if (begin_ >= end_ - begin_ && begin_ > 0) {
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() - end_ < read_size) buffer_.resize(std::max(end_ + read_size, 2 * end_));
  }
  for (;;) {
    if (stop_fd_ >= 0) {
      pollfd ready[] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
      if (::poll(ready, 2, -1) < 0 && errno == EINTR) continue;
      if (ready[1].revents) {
        at_end_ = true;
        return false;
      }
    }
    char* const to = buffer_.data() + end_;
    const std::size_t room = buffer_.size() - end_;
    const auto got = source_ ? source_->read(to, room) : ::read(fd_, to, room);
    if (got > 0) {
      end_ += static_cast<std::size_t>(got);
      return true;
    }
    if (got == 0 || errno == ECONNRESET) {
      at_end_ = true;
      return false;
    }
    if (errno != EINTR) return error("io", std::string("cannot read requests: ") + strerror(errno));
  }
}

Result<std::optional<std::string_view>> LineReader::next() {
  bool skipping = false;
  std::size_t searched = 0;  // bytes behind begin_ known to hold no line end
  for (;;) {
    const auto* const from = buffer_.data() + begin_;
    const auto* const newline = static_cast<const char*>(
        begin_ + searched < end_ ? memchr(from + searched, '\n', end_ - begin_ - searched)
                                 : nullptr);
    const auto length = newline ? static_cast<std::size_t>(newline - from) : end_ - begin_;
    skipping |= length > max_line_;
    if (newline) {
      begin_ += length + 1;
      if (skipping) break;
      const std::string_view line(from, length);
      if (!is_blank(line)) return line;
      searched = 0;
      continue;
    }
    searched = length;
    if (skipping) begin_ = end_, searched = 0;  // forget what will not be used
    PUNSTER_TRY(const bool more, fill());
    if (more) continue;
    if (skipping) break;
    const std::string_view line(buffer_.data() + begin_, end_ - begin_);
    begin_ = end_;
    if (is_blank(line)) return std::optional<std::string_view>();
    return line;
  }
  return error("too_long", "a line is longer than " + std::to_string(max_line_) +
                               " bytes; send several smaller batches");
}

LineWriter::LineWriter(int fd) : fd_(fd) {
  ::signal(SIGPIPE, SIG_IGN);
}

Result<void> LineWriter::write(std::string_view text) {
  assert(text.find('\n') == std::string_view::npos);
  std::string line;
  line.reserve(text.size() + 1);
  line += text;
  line += '\n';
  const std::lock_guard lock(mutex_);
  for (std::size_t done = 0; done < line.size();) {
    const auto put = ::write(fd_, line.data() + done, line.size() - done);
    if (put >= 0)
      done += static_cast<std::size_t>(put);
    else if (errno == EPIPE || errno == ECONNRESET)
      return error("disconnected", "the other side closed the connection");
    else if (errno != EINTR)
      return error("io", std::string("cannot write: ") + strerror(errno));
  }
  return success();
}

Result<void> LineWriter::send(const nlohmann::json& value) {
  return write(dump_json(value));
}

Result<nlohmann::json> parse_json(std::string_view text) {
  if (const auto column = too_deep(text))
    return error("parse_error", "nested deeper than " + std::to_string(max_nesting) +
                                    " levels at column " + std::to_string(*column + 1));
  // The JSON library takes a NUL for the end of the text and would drop what follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return error("parse_error", "not valid JSON at column " + std::to_string(nul + 1));
  auto value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) {
    FaultFinder finder;
    static_cast<void>(nlohmann::json::sax_parse(text.begin(), text.end(), &finder));
    return error("parse_error", "not valid JSON at column " + std::to_string(finder.column));
  }
  return value;
}

std::string dump_json(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace punster
