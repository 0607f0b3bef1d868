// Records on stdout, as an aligned table, JSON or CSV, without holding more than one of them: there may
// be a million.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "frontend/cli/options.h"

namespace punster {

struct Column {
  std::string name;
  int width = 0;  // of text; negative: flush right. The last column is not padded.
};

class RecordPrinter {
 public:
  /// Prints the head, if the format has one.
  RecordPrinter(Format format, std::vector<Column> columns);
  /// Prints what follows the last record: every use ends with this.
  void end();

  /// One value per column: strings print as they are, null as nothing ("-" in text), arrays joined by
  /// spaces.
  void record(const std::vector<nlohmann::json>& values);

 private:
  void text_record(const std::vector<std::string>& cells) const;
  Format format_;
  std::vector<Column> columns_;
  bool first_ = true;
};

/// A cell of a table or of CSV.
[[nodiscard]] std::string cell_text(const nlohmann::json& value);

/// Indented, on stdout; never throws (what is not UTF-8 becomes U+FFFD).
void print_json(const nlohmann::json& value);

/// "1234567" as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "98.76 %", never rounded up to 100 or down to 0; "-" of nothing.
[[nodiscard]] std::string percent(std::uint64_t part, std::uint64_t whole);

}  // namespace punster
