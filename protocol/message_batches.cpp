// Messages that come by the hundred thousand: instructions, padding, patches; and reservations.
//
// Bulk columns are read with one loop each that looks at every value once and builds no pointer
// string unless there is a fault: 635,000 instructions and patches (git) must cost tens of
// milliseconds. Lengths and deltas may also be strings of hexadecimal digits, which a parser passes
// over at once where an array of numbers costs it a value each.

#include <algorithm>

#include "protocol/fields.h"
#include "protocol/hex.h"
#include "protocol/limits.h"
#include "protocol/messages.h"

namespace punster {
namespace {

constexpr auto too_high = "the address is higher than any image is linked (2^59)";

const Json::array_t* bulk(Fields& fields, const char* name, const Json& column) {
  const auto* values = column.get_ptr<const Json::array_t*>();
  if (!values)
    fields.fail(fields.place(name), "expected an array");
  else if (values->size() > max_batch_entries)
    fields.fail(fields.place(name), "more than 65536 entries; send several smaller batches");
  else
    return values;
  return nullptr;
}

constexpr std::string_view digits = "0123456789abcdef";
/// Shorter columns are written as arrays, for people to read.
constexpr std::size_t short_column = 16;

/// A column as a string of `width` digits for each value, or false when it is something else.
template <typename T>
bool read_digits(Fields& fields, const char* name, const Json& column, std::size_t width,
                 std::vector<T>& values) {
  const auto* text = column.get_ptr<const std::string*>();
  if (!text) return false;
  if (text->size() > max_batch_entries * width) {
    fields.fail(fields.place(name), "more than 65536 entries; send several smaller batches");
    return true;
  }
  if (text->size() % width != 0) {
    fields.fail(fields.place(name), "expected two hexadecimal digits for each value");
    return true;
  }
  values.resize(text->size() / width);
  for (std::size_t i = 0; i < text->size(); ++i) {
    const auto digit = digits.find((*text)[i]);
    if (digit == digits.npos) {
      fields.fail(fields.place(name), "expected digits 0 to 9 and a to f only");
      return true;
    }
    T& value = values[i / width];
    value = static_cast<T>(value * 16 + static_cast<T>(digit));
  }
  return true;
}

void read_lengths(Fields& fields, InstructionsRequest& m) {
  const Json* column = fields.find("lengths");
  if (!column) return fields.fail(fields.place("lengths"), "\"lengths\" is missing");
  if (read_digits(fields, "lengths", *column, 1, m.lengths)) {
    const auto zero = std::find(m.lengths.begin(), m.lengths.end(), 0);
    if (fields.good() && zero != m.lengths.end())
      fields.fail(fields.place("lengths"), "expected lengths from 1 to f");
    return;
  }
  const auto* values = bulk(fields, "lengths", *column);
  if (!values) return;
  m.lengths.resize(values->size());
  for (std::size_t i = 0; i < values->size(); ++i) {
    const auto* length = (*values)[i].get_ptr<const Json::number_unsigned_t*>();
    if (!length || *length < 1 || *length > max_instruction)
      return fields.fail(pointer_to(fields.place("lengths"), i), "expected a length from 1 to 15");
    m.lengths[i] = static_cast<std::uint8_t>(*length);
  }
}

void read_deltas(Fields& fields, PatchesRequest& m) {
  const Json* column = fields.find("deltas");
  if (!column) return fields.fail(fields.place("deltas"), "\"deltas\" is missing");
  if (!read_digits(fields, "deltas", *column, 2, m.deltas)) {
    const auto* values = bulk(fields, "deltas", *column);
    if (!values) return;
    m.deltas.resize(values->size());
    for (std::size_t i = 0; i < values->size(); ++i)
      if (const char* expected = read_value((*values)[i], m.deltas[i]))
        return fields.fail(pointer_to(fields.place("deltas"), i),
                           std::string("expected ") + expected);
  }
  std::uint64_t address = m.address.value;
  for (std::size_t i = 0; i < m.deltas.size(); ++i) {
    address += static_cast<std::uint64_t>(m.deltas[i]);
    if (address >= max_address.value)
      return fields.fail(pointer_to(fields.place("deltas"), i), too_high);
  }
}

void read_columns(Fields& fields, PatchesRequest& m) {
  const Json* columns = fields.find("columns");
  if (!columns || columns->is_null()) return;
  const auto place = fields.place("columns");
  if (!columns->is_object()) return fields.fail(place, "expected an object");
  if (columns->size() > max_columns) return fields.fail(place, "more than 256 columns");
  for (const auto& [name, column] : columns->items()) {
    const auto here = pointer_to(place, name);
    if (name.size() < 2 || name.size() > max_name || name[0] != '$')
      return fields.fail(here, "a macro's name begins with $ and has 2 to 256 characters");
    if (!column.is_array()) return fields.fail(here, "expected an array");
    if (column.size() != m.deltas.size())
      return fields.fail(
          here, "a column needs one value per site: " + std::to_string(m.deltas.size()) + ", not " +
                    std::to_string(column.size()));
    m.columns.emplace(name, column.get_ref<const Json::array_t&>());
  }
}

}  // namespace

Json to_json(const InstructionsRequest& m) {
  Json json = {{"address", to_hex(m.address)}};
  if (m.lengths.size() <= short_column) {
    json["lengths"] = m.lengths;
    return json;
  }
  std::string text(m.lengths.size(), '0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = digits[m.lengths[i] & 15];
  json["lengths"] = std::move(text);
  return json;
}

Result<InstructionsRequest> from_json(const Json& json, const InstructionsRequest*,
                                      const std::string& where) {
  InstructionsRequest m;
  Fields fields(json, where);
  fields.required("address", m.address);
  fields.check(m.address < max_address, "address", too_high);
  if (fields.good()) read_lengths(fields, m);
  return fields.done(m);
}

Json to_json(const PaddingRequest& m) {
  Json ranges = Json::array();
  for (const auto& range : m.ranges) ranges.push_back({to_hex(range.lo), to_hex(range.hi)});
  return {{"ranges", std::move(ranges)}};
}

Result<PaddingRequest> from_json(const Json& json, const PaddingRequest*,
                                 const std::string& where) {
  PaddingRequest m;
  Fields fields(json, where);
  const Json* ranges = fields.find("ranges");
  if (!ranges) fields.fail(where, "\"ranges\" is missing");
  const auto* values = ranges ? bulk(fields, "ranges", *ranges) : nullptr;
  for (std::size_t i = 0; values && i < values->size() && fields.good(); ++i) {
    const auto& pair = (*values)[i];
    AddressRange range;
    if (!pair.is_array() || pair.size() != 2 || read_value(pair[0], range.lo) ||
        read_value(pair[1], range.hi) || range.lo >= range.hi || range.hi > max_address)
      fields.fail(pointer_to(fields.place("ranges"), i),
                  "expected a pair of addresses, the first below the second");
    else
      m.ranges.push_back(range);
  }
  return fields.done(m);
}

Json to_json(const PatchesRequest& m) {
  Json json = {{"address", to_hex(m.address)}};
  if (m.deltas.size() > short_column &&
      std::all_of(m.deltas.begin(), m.deltas.end(), [](auto d) { return 0 <= d && d <= 0xff; })) {
    json["deltas"] = to_hex(std::vector<std::uint8_t>(m.deltas.begin(), m.deltas.end()));
  } else {
    json["deltas"] = m.deltas;
  }
  if (m.replace)
    json["replace"] = to_hex(
        std::span(reinterpret_cast<const std::uint8_t*>(m.replace->data()), m.replace->size()));
  else
    json["trampoline"] = m.trampoline;
  if (!m.columns.empty()) json["columns"] = m.columns;
  if (m.trap) json["trap"] = true;
  return json;
}

Result<PatchesRequest> from_json(const Json& json, const PatchesRequest*,
                                 const std::string& where) {
  PatchesRequest m;
  Fields fields(json, where);
  fields.required("address", m.address);
  fields.check(m.address < max_address, "address", too_high);
  if (fields.good()) read_deltas(fields, m);
  if (fields.good()) read_columns(fields, m);
  fields.optional("trampoline", m.trampoline);
  std::optional<std::string> replace;
  fields.optional("replace", replace);
  if (replace) {
    m.replace = parse_hex_bytes(*replace);
    fields.check(m.replace.has_value(), "replace", "expected pairs of hexadecimal digits");
    fields.check(!m.replace || m.replace->size() <= max_instruction, "replace",
                 "no instruction has more than 15 bytes");
    fields.check(m.trampoline.empty(), "trampoline",
                 "a site gets a trampoline or a replacement, not both");
  } else if (m.trampoline.empty()) {
    fields.fail(where, "either \"trampoline\" or \"replace\" is needed");
  }
  fields.optional("trap", m.trap);
  fields.check(!m.trap || !m.replace, "trap", "a trap leads to a trampoline, not to a replacement");
  return fields.done(m);
}

namespace {
// Fields of E9Patch's reserve message that this version only carries along.
constexpr const char* raw_fields[] = {"absolute", "init", "fini", "mmap", "preinit", "postinit"};
}  // namespace

Json to_json(const ReserveRequest& m) {
  Json json = m.raw.is_object() ? m.raw : Json::object();
  if (m.address) json["address"] = to_hex(*m.address);
  if (m.length) json["length"] = m.length;
  if (!m.bytes.empty())
    json["bytes"] =
        to_hex(std::span(reinterpret_cast<const std::uint8_t*>(m.bytes.data()), m.bytes.size()));
  if (!m.protection.empty()) json["protection"] = m.protection;
  return json;
}

Result<ReserveRequest> from_json(const Json& json, const ReserveRequest*,
                                 const std::string& where) {
  ReserveRequest m;
  Fields fields(json, where);
  fields.optional("address", m.address);
  fields.optional("length", m.length);
  fields.optional("protection", m.protection);
  m.raw = Json::object();
  for (const auto* name : raw_fields)
    if (const Json* member = fields.find(name)) m.raw[name] = *member;
  if (const Json* bytes = fields.find("bytes")) {
    if (bytes->is_string()) {
      auto parsed = parse_hex_bytes(bytes->get_ref<const std::string&>());
      fields.check(parsed.has_value(), "bytes", "expected pairs of hexadecimal digits");
      if (parsed) m.bytes = std::move(*parsed);
    } else if (bytes->is_array()) {
      m.raw["bytes"] = *bytes;  // template language: backend/trampoline makes bytes of it
    } else if (!bytes->is_null()) {
      fields.fail(fields.place("bytes"), "expected hexadecimal text or an array");
    }
  }
  if (m.length == 0 && m.bytes.empty() && !m.raw.contains("bytes"))
    fields.fail(where, "either \"length\" or \"bytes\" is needed");
  fields.check(m.length <= max_reservation, "length", "more than 256 MiB");
  fields.check(std::all_of(m.protection.begin(), m.protection.end(),
                           [](char c) { return c == 'r' || c == 'w' || c == 'x' || c == '-'; }),
               "protection", "expected letters out of r, w, x and -");
  fields.check(
      m.protection.find('w') == std::string::npos || m.protection.find('x') == std::string::npos,
      "protection", "no page may be writable and executable");
  return fields.done(m);
}

Json to_json(const ReserveReply& m) {
  return {{"address", to_hex(m.address)}};
}

Result<ReserveReply> from_json(const Json& json, const ReserveReply*, const std::string& where) {
  ReserveReply m;
  Fields fields(json, where);
  fields.required("address", m.address);
  return fields.done(m);
}

}  // namespace punster
