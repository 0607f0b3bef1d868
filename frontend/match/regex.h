// Regular expressions over short texts, matched as a whole.

#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "protocol/result.h"

namespace punster {

/// A compiled regular expression. Immutable; shared by all threads.
///
/// Characters stand for themselves; `.` any character; `[a-z0-9]`, `[^,]`; `\d \w \s \D \W \S`,
/// `\t \n \xHH`, a backslash before punctuation takes it literally; `( )`, `(?: )`, `|`; `* + ? {m}
/// {m,} {m,n}` (a `?` behind them changes nothing, since only the whole text counts); `^` and `$`
/// at the ends. No back references and no look-around: matching takes time linear in the text.
class Regex {
 public:
  /// Errors: kind "bad_expression", `where` the byte position in `pattern` as a decimal number.
  static Result<Regex> compile(std::string_view pattern);

  /// Whether all of `text` matches.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  friend class RegexCompiler;
  using Bytes256 = std::bitset<256>;
  /// One state of the nondeterministic automaton: consumes a byte of `on` and goes to `next`, or,
  /// when `epsilon`, goes to `next` and `other` (if not `none`) without consuming.
  struct Node {
    enum class Kind : std::uint8_t { consume, epsilon, at_begin, at_end, accept } kind;
    std::uint32_t set = 0, next = none, other = none;
  };
  static constexpr std::uint32_t none = ~0u;
  using States = std::vector<std::uint32_t>;  // sorted

  void close(States& states, bool at_begin, bool at_end) const;
  [[nodiscard]] States step(const States& from, std::uint8_t byte) const;
  [[nodiscard]] bool accepts(States states, bool at_begin) const;
  void determinise();
  [[nodiscard]] bool simulate(std::string_view text) const;

  std::vector<Node> nodes_;
  std::vector<Bytes256> sets_;
  std::uint32_t start_ = 0;

  // The deterministic automaton: transition = next_[state * class_count_ + class_of_[byte]]. State
  // 0 is dead, state 1 the start. Empty when it would have had too many states.
  std::array<std::uint8_t, 256> class_of_{};
  unsigned class_count_ = 0;
  std::vector<std::uint16_t> next_;
  std::vector<bool> accepting_;
};

}  // namespace punster
