#include "frontend/cli/record_printer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>

namespace punster {

using nlohmann::json;

namespace {

std::string dumped(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// RFC 4180.
std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string result = "\"";
  for (const char c : cell) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) line += ',';
    line += quoted(cell);
  }
  return line + '\n';
}

}  // namespace

std::string cell_text(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (!value.is_array()) return dumped(value);
  std::string joined;
  for (const json& element : value) {
    if (!joined.empty()) joined += ' ';
    joined += cell_text(element);
  }
  return joined;
}

void print_json(const json& value) { print(dumped(value, 2) + '\n'); }

RecordPrinter::RecordPrinter(Format format, std::vector<Column> columns)
    : format_(format), columns_(std::move(columns)) {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  if (format_ == Format::csv) print(csv_line(names));
  if (format_ == Format::text) text_record(names);
  if (format_ == Format::json) print("[");
}

void RecordPrinter::end() {
  if (format_ == Format::json) print(first_ ? "]\n" : "\n]\n");
}

void RecordPrinter::text_record(const std::vector<std::string>& cells) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = cells[i].empty() ? "-" : cells[i];
    const bool last = i + 1 == cells.size();
    const auto width = static_cast<std::size_t>(std::abs(columns_[i].width));
    const std::string padding(width > cell.size() ? width - cell.size() : 0, ' ');
    if (columns_[i].width < 0)
      line += padding + cell;
    else
      line += last ? cell : cell + padding;
    if (!last) line += "  ";
  }
  print(line + '\n');
}

void RecordPrinter::record(const std::vector<json>& values) {
  assert(values.size() == columns_.size());
  if (format_ == Format::json) {
    std::string object = first_ ? "\n{" : ",\n{";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i != 0) object += ',';
      object.append(dumped(columns_[i].name)).append(":").append(dumped(values[i]));
    }
    print(object + '}');
  } else {
    std::vector<std::string> cells;
    for (const json& value : values) cells.push_back(cell_text(value));
    if (format_ == Format::csv)
      print(csv_line(cells));
    else
      text_record(cells);
  }
  first_ = false;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  double value = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (part < whole) value = std::min(value, 99.99);
  if (part > 0) value = std::max(value, 0.01);
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", value);
  return text;
}

}  // namespace punster
