#include "protocol/fields.h"

#include <limits>

#include "protocol/hex.h"
#include "protocol/limits.h"

namespace punster {

std::string pointer_to(const std::string& where, std::string_view member) {
  std::string pointer = where + '/';
  for (const char c : member) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
  return pointer;
}

std::string pointer_to(const std::string& where, std::size_t index) {
  return where + '/' + std::to_string(index);
}

const char* read_value(const Json& json, std::string& out) {
  if (!json.is_string()) return "a string";
  out = json.get_ref<const std::string&>();
  return nullptr;
}

const char* read_value(const Json& json, bool& out) {
  if (!json.is_boolean()) return "true or false";
  out = json.get<bool>();
  return nullptr;
}

const char* read_value(const Json& json, double& out) {
  if (!json.is_number()) return "a number";
  out = json.get<double>();
  return nullptr;
}

const char* read_value(const Json& json, Vaddr& out) {
  static constexpr auto expected = "an address: \"0x..\", or a number below 2^53";
  if (const auto* number = json.get_ptr<const Json::number_unsigned_t*>()) {
    if (*number >> 53) return expected;
    out = Vaddr{*number};
    return nullptr;
  }
  const auto* text = json.get_ptr<const std::string*>();
  const auto value = text ? parse_hex(*text) : std::nullopt;
  if (!value) return expected;
  out = Vaddr{*value};
  return nullptr;
}

const char* read_value(const Json& json, std::int64_t& out) {
  const bool fits = json.is_number_unsigned()
                        ? json.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max()
                        : json.is_number_integer();
  if (!fits) return "an integer";
  out = json.get<std::int64_t>();
  return nullptr;
}

const char* read_value(const Json& json, std::uint64_t& out) {
  if (!json.is_number_unsigned()) return "an integer of at least 0";
  out = json.get<std::uint64_t>();
  return nullptr;
}

const char* read_value(const Json& json, unsigned& out) {
  std::uint64_t wide = 0;
  if (read_value(json, wide) || wide > std::numeric_limits<unsigned>::max())
    return "an integer from 0 to 4294967295";
  out = static_cast<unsigned>(wide);
  return nullptr;
}

const char* read_value(const Json& json, int& out) {
  std::int64_t wide = 0;
  if (read_value(json, wide) || wide < std::numeric_limits<int>::min() ||
      wide > std::numeric_limits<int>::max())
    return "an integer of 32 bits";
  out = static_cast<int>(wide);
  return nullptr;
}

Fields::Fields(const Json& json, const std::string& where) : json_(&json), where_(where) {
  if (!json.is_object()) fail(where, "expected an object");
}

const Json* Fields::find(const char* name) const {
  if (error_) return nullptr;
  const auto member = json_->find(name);
  return member == json_->end() ? nullptr : &*member;
}

void Fields::fail(std::string where, std::string message) {
  if (!error_) error_ = error_in("bad_request", std::move(message), std::move(where));
}

Json to_hex_array(const std::vector<Vaddr>& addresses) {
  Json array = Json::array();
  array.get_ref<Json::array_t&>().reserve(addresses.size());
  for (const auto address : addresses) array.push_back(to_hex(address));
  return array;
}

void Fields::check_path(const char* name, const std::string& path) {
  check(!path.empty(), name, "a path must not be empty");
  check(path.size() < max_path, name, "a path must be shorter than 4096 bytes");
  check(path.find('\0') == std::string::npos, name, "a path must not contain a zero byte");
}

void Fields::file(std::string& path, std::optional<std::uint64_t>& descriptor) {
  optional("descriptor", descriptor);
  if (!descriptor) {
    required("filename", path);
    return check_path("filename", path);
  }
  optional("filename", path);
  check(path.empty(), "filename", "a file has a name or a descriptor, not both");
}

void Fields::texts(const char* name, std::vector<std::string>& out) {
  const Json* member = find(name);
  if (member && member->is_string())
    out = {member->get<std::string>()};
  else
    optional(name, out);
}

void put_file(Json& json, const FileName& file) {
  if (file.descriptor)
    json["descriptor"] = *file.descriptor;
  else
    json["filename"] = file.path;
}

}  // namespace punster
