#include "frontend/match/fault.h"

#include <algorithm>
#include <vector>

namespace punster {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`
// (F. J. Damerau, "A technique for computer detection and correction of spelling errors", 1964).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

Error fault_at(const char* kind, std::string_view text, std::size_t position,
               const std::string& complaint) {
  position = std::min(position, text.size());
  // Tabs and line breaks would move the caret, and so would the later bytes of a UTF-8 character.
  std::string line;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    line += static_cast<unsigned char>(text[i]) < 0x20 ? ' ' : text[i];
    if (i < position && (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) ++column;
  }
  return error_in(kind, complaint + "\n    " + line + "\n    " + std::string(column, ' ') + "^",
                  "column " + std::to_string(column + 1));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > 40) return "";
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto candidate : candidates) {
    const auto distance = edit_distance(word, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest.empty() ? "" : ", did you mean `" + std::string(nearest) + "`?";
}

}  // namespace punster
