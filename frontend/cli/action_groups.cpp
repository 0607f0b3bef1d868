#include "frontend/cli/command_line.h"

namespace punster {

std::vector<ActionGroup> group_words(const std::vector<GroupWord>& words) {
  std::vector<ActionGroup> groups;
  bool after_action = true;
  for (const GroupWord& word : words) {
    if (word.is_action) {
      if (groups.empty()) groups.emplace_back();
      groups.back().actions.push_back(word.text);
    } else {
      if (after_action) groups.emplace_back();
      groups.back().matches.push_back(word.text);
    }
    after_action = word.is_action;
  }
  return groups;
}

}  // namespace punster
