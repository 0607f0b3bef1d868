// Payloads as machine code: a few lines of template language, enough to run what actions produce.

#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "frontend/match/action.h"

namespace punster {

/// What the holes of a template stand for: run-time addresses and numbers by name ("$counter").
struct Holes {
  std::map<std::string, std::uint64_t> numbers;
  std::map<std::string, std::string> bytes;  // of "$instr", "$break", "$asmstr"
};

/// The bytes of `code` at the run-time address `at`. Knows bytes, macros, labels, int32 and rel32.
inline std::vector<std::uint8_t> assemble(const Json& code, std::uint64_t at, Holes holes) {
  std::vector<std::uint8_t> out;
  struct Reference {
    std::size_t position;
    std::string name;
  };
  std::vector<Reference> references;
  const auto put32 = [&](std::uint64_t value) {
    for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  for (const auto& element : code) {
    if (element.is_number()) {
      out.push_back(element.get<std::uint8_t>());
    } else if (element.is_object() && element.contains("int32")) {
      const auto& value = element["int32"];
      put32(value.is_string() ? holes.numbers.at(value.get<std::string>())
                              : value.get<std::uint64_t>());
    } else if (element.is_object()) {
      const auto& target = element.at("rel32");
      if (target.is_string()) references.push_back({out.size(), target.get<std::string>()});
      put32(target.is_string() ? 0 : target.get<std::uint64_t>() - (at + out.size() + 4));
    } else if (const auto name = element.get<std::string>(); name[0] == '.') {
      holes.numbers[name] = at + out.size();
    } else {
      const auto& bytes = holes.bytes.at(name);
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
  }
  for (const auto& reference : references) {
    const auto delta = static_cast<std::uint32_t>(holes.numbers.at(reference.name) -
                                                  (at + reference.position + 4));
    std::memcpy(out.data() + reference.position, &delta, 4);
  }
  return out;
}

}  // namespace punster
