#include "backend/session/bridges.h"

#include <algorithm>

namespace punster {
namespace {

class Chooser {
 public:
  Chooser(const BridgeInput& input, unsigned most)
      : input_(input), most_(most), state_(input.instructions.size(), State::unknown) {}

  /// Takes the row from i on if it leads to a body, to copies or out.
  void enter(std::uint32_t i) {
    row_.clear();
    for (;; ++i) {
      if (input_.has_body(i)) {
        if (input_.enterable(i)) take_row();
        return;
      }
      const State state = judge(i);
      if (state == State::taken) return take_row();
      if (state == State::unfit || row_.size() == most_) return;
      row_.push_back(i);
      if (state == State::leaves) return take_row();
      if (!adjoins_next(i)) return;
    }
  }

  std::vector<std::uint32_t> taken() {
    std::sort(taken_.begin(), taken_.end());
    return std::move(taken_);
  }

 private:
  enum class State : std::uint8_t { unknown, unfit, goes_on, leaves, taken };

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

  void take_row() {
    for (const auto i : row_) state_[i] = State::taken;
    taken_.insert(taken_.end(), row_.begin(), row_.end());
  }

  const BridgeInput& input_;
  std::size_t most_;
  std::vector<State> state_;
  std::vector<std::uint32_t> row_, taken_;
};

}  // namespace

std::vector<std::uint32_t> choose_bridges(const BridgeInput& input,
                                          std::span<const std::uint32_t> entries, unsigned most) {
  Chooser chooser(input, most);
  for (const auto entry : entries) chooser.enter(entry);
  return chooser.taken();
}

}  // namespace punster
