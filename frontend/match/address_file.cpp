#include "frontend/match/address_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>

#include "protocol/hex.h"

namespace punster {
namespace {

Error fault(const std::string& path, std::size_t line, const std::string& complaint) {
  return error("bad_expression", path + ":" + std::to_string(line) + ": " + complaint);
}

Result<std::string> contents(const std::string& path) {
  std::error_code failed;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, failed))
    return error("bad_expression", "cannot read the file \"" + path + "\"");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

std::optional<std::uint64_t> number(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X") || text.starts_with("-0x"))
    return parse_hex(text);
  std::uint64_t value = 0;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || text.empty() || end != text.data() + text.size())
    return std::nullopt;
  return negative ? 0 - value : value;
}

struct RawCell {
  std::string text;
  bool quoted = false;
};

// Nothing when a quote is not closed.
std::optional<std::vector<RawCell>> cells(std::string_view line) {
  std::vector<RawCell> all;
  for (;;) {
    line = trimmed(line);
    RawCell cell;
    if (line.starts_with('"')) {
      cell.quoted = true;
      std::size_t i = 1;
      for (;; ++i) {
        if (i >= line.size()) return std::nullopt;
        if (line[i] == '"' && (++i >= line.size() || line[i] != '"')) break;
        cell.text += line[i];
      }
      line.remove_prefix(i);
    }
    const auto comma = std::min(line.find(','), line.size());
    if (!cell.quoted) cell.text = trimmed(line.substr(0, comma));
    all.push_back(std::move(cell));
    if (comma == line.size()) return all;
    line.remove_prefix(comma + 1);
  }
}

Result<Table> table_of(const std::string& path, std::string_view text) {
  Table table;
  bool heading_possible = true;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const auto raw = cells(line);
    if (!raw) return fault(path, line_number, "a quote is not closed");
    const auto address = number(raw->front().text);
    if (!address && heading_possible) {
      heading_possible = false;
      continue;
    }
    heading_possible = false;
    if (!address)
      return fault(path, line_number, "\"" + raw->front().text + "\" is not an address");
    auto& row = table[*address];
    row.clear();
    for (const auto& cell : *raw) {
      const auto value = cell.quoted && &cell != &raw->front() ? std::nullopt : number(cell.text);
      if (value)
        row.emplace_back(static_cast<std::int64_t>(*value));
      else
        row.emplace_back(cell.text);
    }
  }
  return table;
}

// An address, or an object that has one.
std::optional<std::uint64_t> json_address(const nlohmann::json& value) {
  if (value.is_object()) {
    const auto found = value.find("address");
    return found == value.end() || found->is_object() ? std::nullopt : json_address(*found);
  }
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_string()) return number(value.get<std::string>());
  return std::nullopt;
}

Result<std::vector<std::uint64_t>> json_addresses(const std::string& path, std::string_view text) {
  std::vector<std::uint64_t> addresses;
  const auto whole = nlohmann::json::parse(text, nullptr, false);
  if (whole.is_array()) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const auto address = json_address(whole[i]);
      if (!address)
        return error("bad_expression", path + ": element " + std::to_string(i) +
                                           " is neither an address nor has a member \"address\"");
      addresses.push_back(*address);
    }
    return addresses;
  }
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const auto value = nlohmann::json::parse(line, nullptr, false);
    const auto address = value.is_discarded() ? std::nullopt : json_address(value);
    if (!address)
      return fault(path, line_number,
                   "expected JSON with an address: an array, or an object with a "
                   "member \"address\" on each line");
    addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

Result<std::vector<std::uint64_t>> read_addresses(const std::string& path) {
  PUNSTER_TRY(const auto text, contents(path));
  std::vector<std::uint64_t> addresses;
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && (text[first] == '[' || text[first] == '{')) {
    PUNSTER_TRY(addresses, json_addresses(path, text));
  } else {
    PUNSTER_TRY(const auto table, table_of(path, text));
    for (const auto& row : table) addresses.push_back(row.first);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

Result<Table> read_table(const std::string& path) {
  PUNSTER_TRY(const auto text, contents(path));
  return table_of(path, text);
}

}  // namespace punster
