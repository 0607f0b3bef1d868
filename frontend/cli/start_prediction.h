// What kernel and ld.so will say to a file, without starting it.
//
// They refuse late and with few words: "Exec format error", "cannot allocate memory", a killed
// process, a thread that overflows its stack inside dlopen. All of it can be seen in the headers
// beforehand.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace punster {

struct StartConditions {
  std::optional<std::uint64_t> address_space;  // bytes that the process may have; nothing: no limit
  std::uint64_t stack = 64 << 10;              // bytes, of a thread that calls dlopen
  unsigned kernel_major = 0, kernel_minor = 0;
  std::uint64_t most_mappings = 65530;
  std::uint64_t lowest_address = 0x10000;

  /// Those of this machine and this process, for whatever the file system of /proc tells.
  static StartConditions of_this_machine();
};

struct Prediction {
  enum class Verdict : std::uint8_t { fine, warning, refused } verdict = Verdict::fine;
  std::string what;   // "program headers"
  std::string value;  // what the file has, or needs
  std::string limit;  // what there is; may be empty
  std::string text;   // who objects, and what to do; empty when fine
};
[[nodiscard]] const char* to_string(Prediction::Verdict verdict);

/// In the order in which they would be met. Of a program, with the libraries that ld.so would load
/// for it now. Errors: those of opening an ELF file; "no_interpreter".
Result<std::vector<Prediction>> predict_start(const std::string& path,
                                              const StartConditions& conditions);

}  // namespace punster
