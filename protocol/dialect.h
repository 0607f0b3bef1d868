// E9Patch's dialect: what an unmodified e9tool writes, turned into our messages.
//
// The dialect is JSON-RPC with liberties, taken from E9Patch's programming guide and from what its
// tool sends: objects follow each other without needing lines of their own, arrays and objects may
// end in a comma, numbers may be strings "0x..", the version is whatever the tool's is, addresses
// descend, an option and its value may be two elements, nothing is answered. So a filter stands in
// front of the parser, and behind it a translator that gathers single `instruction` and `patch`
// messages into the batches that the session takes.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/dialect_plain.h"
#include "protocol/framing.h"
#include "protocol/messages.h"
#include "protocol/result.h"

namespace punster {

/// Cuts a stream of lines into objects and repairs each into strict JSON.
class DialectReader {
 public:
  /// `first`: text read from the stream already, to be looked at before `lines`.
  DialectReader(LineReader& lines, std::string first);

  /// The next message, or nothing at the end. Errors: "parse_error" (with the number of the
  /// message), "too_long", "io": the stream is of no use after any of them.
  [[nodiscard]] Result<std::optional<Json>> next();
  /// The next message if it is one of the plain ones, without parsing it; valid until the next
  /// call. Nothing: ask next().
  [[nodiscard]] Result<std::optional<PlainMessage>> next_plain();

 private:
  std::optional<std::string_view> cut();
  [[nodiscard]] bool between_messages() const { return begin_ == pending_.size(); }
  LineReader& lines_;
  std::string pending_;
  std::size_t begin_ = 0;    // where the next message begins in pending_
  std::size_t scanned_ = 0;  // up to where it has been looked at
  unsigned depth_ = 0;
  bool in_string_ = false;
  std::size_t messages_ = 0;
};

/// Drops every comma that is followed by ] or }. In place; commas in strings stay.
void drop_trailing_commas(std::string& text);

/// Where the translated messages go, in an order that a session accepts.
class DialectSink {
 public:
  virtual ~DialectSink() = default;
  virtual Result<void> binary(const BinaryRequest&) = 0;
  virtual Result<void> options(const OptionsRequest&) = 0;
  virtual Result<void> trampoline(const TrampolineRequest&) = 0;
  virtual Result<void> instructions(const InstructionsRequest&) = 0;
  virtual Result<void> patches(const PatchesRequest&) = 0;
  virtual Result<void> reserve(const ReserveRequest&) = 0;
  virtual Result<void> emit(const EmitRequest&) = 0;
};

class DialectTranslator {
 public:
  explicit DialectTranslator(DialectSink& sink) : sink_(sink) {}

  /// Takes one message. Errors of faulty messages have kind "bad_request" and a `where`; those of
  /// the sink pass through, perhaps with the next message, as batches are sent late.
  Result<void> take(Json message);
  Result<void> take(const PlainMessage& message);
  /// Sends what is gathered. `emit` does so by itself.
  Result<void> flush();

 private:
  struct Known {
    std::uint64_t address;
    unsigned length;
  };
  Result<void> instruction(const Json& params);
  Result<void> know(std::uint64_t address, std::uint64_t length,
                    std::optional<std::uint64_t> offset);
  Result<Vaddr> at_offset(std::uint64_t offset) const;
  Result<void> add_patch(Vaddr address, std::string name, Json metadata);
  Result<void> patch(Json& params);
  Result<void> options(const Json& params);
  Result<std::string> name_of_inline(const Json& code);
  Result<void> flush_instructions();
  Result<void> flush_patches();

  DialectSink& sink_;
  std::vector<Known> instructions_;                              // not sent yet
  std::unordered_map<std::uint64_t, std::uint64_t> address_of_;  // by file offset
  std::optional<PatchesRequest> patches_;                        // not sent yet
  Vaddr last_patch_;
  std::map<std::string, std::string> inline_names_;  // template text -> name given to it
  std::map<std::string, bool> tactics_;              // switched so far
  std::size_t messages_ = 0;
};

/// What E9Patch's command-line options mean here. `tactics` remembers the switches of earlier
/// calls.
[[nodiscard]] Result<OptionsRequest> translate_options(const std::vector<std::string>& arguments,
                                                       std::map<std::string, bool>& tactics);

}  // namespace punster
