// Options whose order, or whose end, takes more than CLI11 alone. For command_line.cpp only.

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "frontend/cli/command_line.h"
#include "protocol/hex.h"

namespace punster {

/// -M and -P, whose order among each other matters. One value per occurrence.
struct GroupOptions {
  CLI::Option *match = nullptr, *action = nullptr;
  std::vector<std::string> matches, actions;

  void add(CLI::App* command, bool with_actions) {
    match = command->add_option("-M,--match", matches, "Expression that selects instructions")
                ->type_size(1)
                ->allow_extra_args(false)
                ->option_text("EXPR");
    if (with_actions)
      action = command->add_option("-P,--patch", actions, "What to do at them")
                   ->type_size(1)
                   ->allow_extra_args(false)
                   ->option_text("ACTION");
  }
  [[nodiscard]] std::vector<ActionGroup> groups(const CLI::App* command) const {
    std::vector<GroupWord> words;
    std::size_t match_index = 0, action_index = 0;
    for (const CLI::Option* option : command->parse_order()) {
      if (option == match) words.push_back({false, matches.at(match_index++)});
      if (option == action) words.push_back({true, actions.at(action_index++)});
    }
    return group_words(words);
  }
};

/// `--at` takes every word up to the next option, so that one of them may be the input file.
inline void take_trailing_input(std::vector<std::string>& at, std::string& input) {
  if (!input.empty() || at.size() < 2 || parse_hex(at.back())) return;
  input = std::move(at.back());
  at.pop_back();
}

inline std::vector<Vaddr> addresses(const std::vector<std::string>& texts) {
  std::vector<Vaddr> result;
  for (const std::string& text : texts) {
    const auto address = parse_hex(text);
    if (!address)
      throw CLI::ValidationError("--at", "'" + text + "' is not an address such as 0x113b");
    result.emplace_back(*address);
  }
  return result;
}

inline CLI::Option* add_at(CLI::App* command, std::vector<std::string>& at) {
  return command->add_option("--at", at, "Link-time addresses, such as 0x113b")
      ->required()
      ->option_text("ADDRESS...");
}

}  // namespace punster
