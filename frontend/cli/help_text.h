// What --help says beyond the options themselves: how each subcommand is called, what it is for, and an
// example to copy.

#pragma once

#include <string_view>

namespace punster {

struct HelpText {
  const char* name;
  const char* synopsis;
  const char* summary;
  const char* footer;
};

/// Of a subcommand, or of "punster". Precondition: there is such a command.
[[nodiscard]] const HelpText& help_text(std::string_view name);

}  // namespace punster
