// The two messages that E9Patch's tool sends by the hundred thousand, read without a JSON parser.
//
// For git, every instruction patched, the tool writes 133 MB in 1.27 million lines, all but a dozen
// of two forms. Parsing them into values took half of the whole job. A line that is letter for
// letter of one of these forms is read in one pass; every other line, however slightly different,
// goes to the parser, so that nothing is accepted here that it would refuse.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace punster {

/// {"jsonrpc":"2.0","method":"instruction","params":{"address":A,"length":L,"offset":O},"id":I}, or
/// {"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$T","offset":O},"id":I}
struct PlainMessage {
  bool is_patch = false;
  std::uint64_t address = 0, length = 0;  // of an instruction
  std::string_view trampoline;            // of a patch; points into the line
  std::uint64_t offset = 0;
};

/// Nothing when the line has another form.
[[nodiscard]] std::optional<PlainMessage> read_plain(std::string_view line);

}  // namespace punster
