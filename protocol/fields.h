// Reading message structs out of JSON objects, member by member; the first fault wins and knows its
// place. Only the files that define from_json include this.

#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/messages.h"
#include "protocol/result.h"

namespace punster {

/// `where` with one more reference token (RFC 6901 escapes applied).
[[nodiscard]] std::string pointer_to(const std::string& where, std::string_view member);
[[nodiscard]] std::string pointer_to(const std::string& where, std::size_t index);

// Each returns what was expected, or null when `out` was set.
const char* read_value(const Json& json, std::string& out);
const char* read_value(const Json& json, bool& out);
const char* read_value(const Json& json, double& out);
const char* read_value(const Json& json, Vaddr& out);
const char* read_value(const Json& json, std::int64_t& out);
const char* read_value(const Json& json, std::uint64_t& out);
const char* read_value(const Json& json, unsigned& out);
const char* read_value(const Json& json, int& out);

/// Members of one JSON object. Unknown members are never looked at.
class Fields {
 public:
  Fields(const Json& json, const std::string& where);

  /// A member that must be there.
  template <typename T>
  void required(const char* name, T& out) {
    if (const Json* member = find(name))
      read(*member, out, pointer_to(where_, name));
    else
      fail(where_, std::string("\"") + name + "\" is missing");
  }
  /// A member that may be absent or null; `out` then keeps its value.
  template <typename T>
  void optional(const char* name, T& out) {
    if (const Json* member = find(name); member && !member->is_null())
      read(*member, out, pointer_to(where_, name));
  }
  /// The member, or null when it is absent or this object is faulty already.
  [[nodiscard]] const Json* find(const char* name) const;
  [[nodiscard]] std::string place(const char* name) const { return pointer_to(where_, name); }

  /// Records a fault unless there is one.
  void fail(std::string where, std::string message);
  void check(bool holds, const char* name, const char* message) {
    if (!holds) fail(place(name), message);
  }
  /// A path that a system call will take.
  void check_path(const char* name, const std::string& path);
  /// The members "filename" and "descriptor", of which exactly one must be there.
  void file(std::string& path, std::optional<std::uint64_t>& descriptor);
  /// A text, or an array of texts; absent: none.
  void texts(const char* name, std::vector<std::string>& out);
  [[nodiscard]] bool good() const { return !error_; }
  /// The first fault, if any.
  [[nodiscard]] Result<void> verdict() const {
    if (error_) return *error_;
    return success();
  }
  /// The struct read, or the first fault.
  template <typename T>
  Result<T> done(T& message) {
    if (error_) return std::move(*error_);
    return std::move(message);
  }

  template <typename T>
  void read(const Json& json, T& out, const std::string& where) {
    if (const char* expected = read_value(json, out))
      fail(where, std::string("expected ") + expected);
  }
  template <typename T>
  void read(const Json& json, std::optional<T>& out, const std::string& where) {
    if (json.is_null())
      out.reset();
    else
      read(json, out.emplace(), where);
  }
  template <typename T>
  void read(const Json& json, std::vector<T>& out, const std::string& where) {
    if (!json.is_array()) return fail(where, "expected an array");
    out.clear();
    out.reserve(json.size());
    for (std::size_t i = 0; i < json.size() && good(); ++i) {
      T element{};
      if constexpr (requires { read_value(json[i], element); }) {
        if (const char* expected = read_value(json[i], element))
          fail(pointer_to(where, i), std::string("expected ") + expected);
      } else {
        read(json[i], element, pointer_to(where, i));
      }
      out.push_back(std::move(element));
    }
  }
  template <typename T>
  void read(const Json& json, std::map<std::string, T>& out, const std::string& where) {
    if (!json.is_object()) return fail(where, "expected an object");
    for (const auto& [name, member] : json.items()) {
      T value{};
      read(member, value, pointer_to(where, name));
      if (!good()) return;
      out.emplace(name, std::move(value));
    }
  }

 private:
  const Json* json_;
  const std::string& where_;
  std::optional<Error> error_;
};

/// The inverse of Fields::file().
void put_file(Json& json, const FileName& file);

[[nodiscard]] Json to_hex_array(const std::vector<Vaddr>& addresses);

}  // namespace punster
