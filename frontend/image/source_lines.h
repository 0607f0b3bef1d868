// Which source line an instruction came from: the line tables of .debug_line, DWARF 2 to 5, which
// elfutils' libdw reads (source_lines.cpp is the only file that includes it).

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

struct SourceLine {
  std::string_view file;       // as the table has it; valid as long as the SourceLines
  std::string_view full_path;  // with the compiler's directory before it, `..` resolved
  std::uint32_t line = 0;      // from 1
  bool entry = false;          // the address asked is the first of a run of this line's code
};

class SourceLines {
 public:
  /// `file`: a whole ELF file, called `name` in messages. `code`: what is outside of it is no code,
  /// such as functions that the linker dropped, whose tables say address 0. Errors: "no_lines" when
  /// there is no table, or none for this code; "bad_lines" when one is damaged. O(n log n).
  static Result<SourceLines> read(std::span<const std::uint8_t> file, const std::string& name,
                                  const std::vector<AddressRange>& code);

  /// Nothing where the compiler names no line. O(log n).
  [[nodiscard]] std::optional<SourceLine> at(Vaddr address) const;

 private:
  friend class LineReader;
  struct Path {
    std::string as_written, full;
  };
  /// The code from here to the next row; line 0: of no line.
  struct Row {
    Vaddr address;
    std::uint32_t path = 0, line = 0;
  };
  std::vector<Path> paths_;
  std::vector<Row> rows_;  // ascending; no two neighbours of the same line
};

}  // namespace punster
