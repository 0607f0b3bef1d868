// Files that a match expression names: lists of addresses, and tables keyed by address.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "protocol/result.h"

namespace punster {

/// The addresses in `path`, sorted and unique, for `addr in "FILE"`. A file that begins with [ or {
/// is JSON: an array of addresses (hexadecimal strings or numbers) or of objects with a member
/// "address", or one such object a line, as `--sites` writes them. Every other file is CSV: the
/// first column. Errors: kind "bad_expression", naming file and line.
[[nodiscard]] Result<std::vector<std::uint64_t>> read_addresses(const std::string& path);

/// A cell of a CSV file: a number, or else text.
using Cell = std::variant<std::int64_t, std::string>;
/// Rows by the address in their first column, which is also cell 0.
using Table = std::map<std::uint64_t, std::vector<Cell>>;

/// For `name[i]`. Empty lines, lines that begin with # and a first line without an address (a
/// heading) are skipped. A cell may stand in double quotes, a doubled quote within standing for
/// one.
[[nodiscard]] Result<Table> read_table(const std::string& path);

}  // namespace punster
