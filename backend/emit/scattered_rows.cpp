#include "backend/emit/scattered_rows.h"

#include "backend/emit/frame_states.h"

namespace punster {
namespace {

constexpr std::uint32_t common_key = UINT32_MAX;  // no index into CallFrames::commons
// An unwinder runs through all rows before the one that it looks for.
constexpr unsigned most_rows = 128;
constexpr std::uint64_t longest_hole = 1 << 20;

/// The address from `lo` to `hi`, both inclusive, with the most zeros at its end.
Vaddr roundest(Vaddr lo, Vaddr hi) {
  std::uint64_t differing = lo.value == 0 ? hi.value : (lo.value - 1) ^ hi.value;
  std::uint64_t unit = 1;
  while (differing >>= 1) unit <<= 1;
  return Vaddr{hi.value & ~(unit - 1)};
}

class Rows {
 public:
  Rows(const FrameStates& states, FrameWriter& out) : states_(states), out_(out) {}

  /// The next piece, or a part of it; nothing is known of it when `state` is nothing.
  void add(Vaddr lo, Vaddr hi, std::optional<FrameStates::Id> state) {
    if (lo == hi) return;
    // What is below an image linked at 0 comes first, and has the highest addresses.
    const bool far = lo < end_ || (lo - end_).value > longest_hole;
    if (open_ && (!state || rows_ == most_rows || far)) close();
    if (!state) return;
    if (!open_) {
      out_.begin_function(common_key, FrameStates::common(), lo);
      open_ = true;
      state_ = FrameStates::initial();
      rows_ = 0;
      end_ = lo;
    }
    if (*state != state_) {
      out_.copy(roundest(end_, lo), states_.change(state_, *state));
      state_ = *state;
      ++rows_;
    }
    end_ = hi;
  }
  void close() {
    if (open_) out_.end_function(end_);
    open_ = false;
  }

 private:
  const FrameStates& states_;
  FrameWriter& out_;
  bool open_ = false;
  unsigned rows_ = 0;
  FrameStates::Id state_ = FrameStates::initial();
  Vaddr end_;  // of what was added last
};

}  // namespace

std::uint64_t scattered_rows(const CallFrames& frames, const BodyList& bodies, FrameWriter& out) {
  if (frames.entries.empty() || bodies.scattered() == 0) return 0;
  FrameStates states(frames);
  Rows rows(states, out);
  std::uint64_t known = 0;
  for (std::size_t k = 0; k < bodies.scattered(); ++k) {
    const auto piece = bodies.scattered_at(k);
    const auto state = states.at(piece.original);
    known += state.has_value();
    const Vaddr done = piece.body + Bytes{piece.done}, end = piece.body + Bytes{piece.size};
    rows.add(piece.body, done, state);
    if (done == end) continue;
    if (piece.calls)
      rows.add(done, end, state ? std::optional(states.pushed(*state)) : state);
    else
      rows.add(done, end, states.at(piece.original + Bytes{piece.length}));
  }
  rows.close();
  return known;
}

}  // namespace punster
