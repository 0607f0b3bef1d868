#include "backend/session/bridges.h"

#include <algorithm>

namespace punster {
namespace {

class Chooser {
 public:
  Chooser(const BridgeInput& input, unsigned most)
      : input_(input), most_(most), state_(input.instructions.size(), State::unknown) {}

  /// Takes the row from the entry on if it leads to a body, to copies or out, else what is covered.
  void enter(const BridgeEntry& entry) {
    row_.clear();
    const bool leads_on = collect(entry.insn, std::max<std::size_t>(entry.covered, most_));
    if (!leads_on || row_.size() > most_)
      row_.resize(std::min<std::size_t>(row_.size(), entry.covered));
    for (const auto i : row_) state_[i] = State::taken;
    taken_.insert(taken_.end(), row_.begin(), row_.end());
  }

  std::vector<std::uint32_t> taken() {
    std::sort(taken_.begin(), taken_.end());
    return std::move(taken_);
  }

 private:
  enum class State : std::uint8_t { unknown, unfit, goes_on, leaves, taken };

  /// Collects at most so many instructions from i on, and tells whether they lead to a body, to
  /// copies or out.
  bool collect(std::uint32_t i, std::size_t most) {
    for (;; ++i) {
      if (input_.has_body(i)) return input_.enterable(i);
      const State state = judge(i);
      if (state == State::taken) return true;
      if (state == State::unfit || row_.size() == most) return false;
      row_.push_back(i);
      if (state == State::leaves) return true;
      if (!adjoins_next(i)) return false;
    }
  }

  State judge(std::uint32_t i) {
    if (state_[i] != State::unknown) return state_[i];
    switch (input_.flow(i)) {
      case CopyFlow::unfit:
        return state_[i] = State::unfit;
      case CopyFlow::goes_on:
        return state_[i] = State::goes_on;
      case CopyFlow::leaves:
        return state_[i] = State::leaves;
    }
    return State::unfit;
  }

  [[nodiscard]] bool adjoins_next(std::uint32_t i) const {
    return i + 1 < input_.instructions.size() &&
           input_.instructions[i].end() == input_.instructions[i + 1].address();
  }

  const BridgeInput& input_;
  std::size_t most_;
  std::vector<State> state_;
  std::vector<std::uint32_t> row_, taken_;
};

}  // namespace

std::vector<std::uint32_t> choose_bridges(const BridgeInput& input,
                                          std::vector<BridgeEntry> entries, unsigned most) {
  // What is taken first decides what the others lead to, and several threads collected them.
  std::sort(entries.begin(), entries.end(), [](const BridgeEntry& a, const BridgeEntry& b) {
    return std::pair(a.insn, a.covered) < std::pair(b.insn, b.covered);
  });
  Chooser chooser(input, most);
  for (const auto& entry : entries) chooser.enter(entry);
  return chooser.taken();
}

}  // namespace punster
