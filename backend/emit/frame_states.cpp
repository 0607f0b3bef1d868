#include "backend/emit/frame_states.h"

#include <algorithm>

#include "backend/emit/cfa_program.h"

namespace punster {
namespace {

constexpr std::uint64_t return_column = 16;
constexpr std::int64_t data_alignment = -8;
constexpr std::uint8_t cfa_restore = 0xc0, cfa_restore_extended = 0x06, cfa_def_cfa = 0x0c,
                       cfa_def_cfa_register = 0x0d, cfa_def_cfa_offset = 0x0e;
constexpr std::uint8_t initial_program[] = {cfa_def_cfa, dwarf_rsp, return_address_bytes, 0x90,
                                            1};  // return address at the frame - 8
constexpr std::span<const std::uint8_t> initial_rule(initial_program + 3, 2);

void put_uleb(std::vector<std::uint8_t>& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

bool same(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

/// Follows the program of one entry.
class FrameStates::Reader {
 public:
  Reader(FrameStates& to, const FrameCommon& common, const FrameEntry& entry)
      : to_(to), common_(common), entry_(entry), location_(entry.range.lo) {}

  /// False: its rows cannot be carried over.
  bool read() {
    if (common_.signal_frame || common_.return_column != return_column ||
        common_.data_alignment != data_alignment || entry_.range.size().value > largest)
      return false;
    CfaProgram initial(common_.program, Vaddr{}, data_alignment, common_.pointer_encoding);
    while (const auto op = initial.next())
      if (op->kind == CfaKind::advance || op->kind == CfaKind::set_location || !follow(*op))
        return false;
    initial_ = now_;
    CfaProgram program(entry_.program, entry_.program_address, data_alignment,
                       common_.pointer_encoding);
    while (const auto op = program.next())
      if (!follow(*op)) return false;
    return initial.sound() && program.sound() && end_row(entry_.range.hi);
  }

 private:
  static constexpr std::size_t deepest = 64;
  static constexpr std::uint64_t largest = 1 << 28;  // what is larger is damaged

  bool follow(const CfaOp& op) {
    switch (op.kind) {
      case CfaKind::advance:
        return end_row(location_ + Bytes{op.operand * common_.code_alignment});
      case CfaKind::set_location:
        return end_row(Vaddr{op.operand});
      case CfaKind::def_cfa:
        now_.state.reg = op.reg;
        return frame(op.offset);
      case CfaKind::def_register:
        now_.state.reg = op.reg;
        return true;
      case CfaKind::def_offset:
        return frame(op.offset);
      case CfaKind::def_expression:
        now_.state.expression = op.bytes;
        now_.second_half = linkage_table(op.block);
        return now_.second_half || !depends_on_address(op.block);
      case CfaKind::remember:
        remembered_.push_back(now_);
        return remembered_.size() < deepest;
      case CfaKind::restore:
        if (remembered_.empty()) return false;
        now_ = remembered_.back();
        remembered_.pop_back();
        return true;
      case CfaKind::rule:
        rule(op.reg) = op.bytes;
        return op.block.empty() || !depends_on_address(op.block);
      case CfaKind::initial_rule:
        return forget(op.reg);
      case CfaKind::nothing:
        return true;
    }
    return false;
  }

  bool frame(std::int64_t offset) {
    now_.state.offset = static_cast<std::uint64_t>(offset);
    now_.state.expression = {};
    now_.second_half.reset();
    return offset >= 0;
  }

  std::span<const std::uint8_t>& rule(std::uint64_t reg) {
    auto& rules = now_.state.rules;
    const auto place =
        std::lower_bound(rules.begin(), rules.end(), reg,
                         [](const auto& r, auto wanted) { return r.first < wanted; });
    if (place != rules.end() && place->first == reg) return place->second;
    return rules.insert(place, {reg, {}})->second;
  }

  bool forget(std::uint64_t reg) {
    const auto& before = initial_.state.rules;
    const auto known =
        std::find_if(before.begin(), before.end(), [&](const auto& r) { return r.first == reg; });
    if (known != before.end())
      rule(reg) = known->second;
    else
      std::erase_if(now_.state.rules, [&](const auto& r) { return r.first == reg; });
    return true;
  }

  /// The row that began at `location_` ends at `next`.
  bool end_row(Vaddr next) {
    if (next < location_ || next > entry_.range.hi) return false;
    if (!now_.second_half) {
      if (location_ < next) row(now_.state);
      location_ = next;
      return true;
    }
    FrameState state = now_.state;
    state.expression = {};
    state.reg = dwarf_rsp;
    while (location_ < next) {
      state.offset = linkage_table_offset(location_, *now_.second_half);
      row(state);
      const Vaddr begin{location_.value & ~std::uint64_t{15}};
      const Vaddr half = begin + Bytes{*now_.second_half};
      location_ = std::min(next, location_ < half ? half : begin + Bytes{16});
    }
    return true;
  }

  void row(const FrameState& state) {
    const auto id = to_.number_of(state);
    auto& rows = to_.rows_;
    if (rows.size() > to_.first_row_.back() && rows.back().state == id) return;
    rows.push_back({static_cast<std::uint32_t>((location_ - entry_.range.lo).value), id});
  }

  struct Now {
    FrameState state;
    std::optional<std::uint8_t> second_half;  // of a linkage table's 16 bytes
  };

  FrameStates& to_;
  const FrameCommon& common_;
  const FrameEntry& entry_;
  Vaddr location_;
  Now now_, initial_;
  std::vector<Now> remembered_;
};

FrameStates::FrameStates(const CallFrames& frames) : frames_(frames) {
  number_of({dwarf_rsp, return_address_bytes, {}, {{return_column, initial_rule}}});
  first_row_.reserve(frames.entries.size() + 1);
  for (const auto& entry : frames.entries) {
    const auto first = rows_.size();
    first_row_.push_back(first);
    if (!Reader(*this, frames.commons[entry.common], entry).read()) rows_.resize(first);
  }
  first_row_.push_back(rows_.size());
}

FrameStates::Id FrameStates::number_of(const FrameState& state) {
  std::string key;
  const auto put = [&key](const void* from, std::size_t size) {
    key.append(static_cast<const char*>(from), size);
  };
  const auto put_bytes = [&](std::span<const std::uint8_t> bytes) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    put(&size, sizeof size);
    put(bytes.data(), bytes.size());
  };
  const std::uint64_t plain[] = {state.reg, state.offset};
  put_bytes(state.expression);
  if (state.expression.empty()) put(plain, sizeof plain);
  for (const auto& [reg, bytes] : state.rules) put_bytes(bytes);
  const auto [known, fresh] = numbers_.try_emplace(std::move(key), static_cast<Id>(states_.size()));
  if (fresh) states_.push_back(state);
  return known->second;
}

std::optional<FrameStates::Id> FrameStates::at(Vaddr original) const {
  const auto& entries = frames_.entries;
  const auto behind = std::upper_bound(entries.begin(), entries.end(), original,
                                       [](Vaddr a, const FrameEntry& e) { return a < e.range.lo; });
  if (behind == entries.begin() || original >= std::prev(behind)->range.hi) return std::nullopt;
  const auto k = static_cast<std::size_t>(behind - entries.begin()) - 1;
  const auto offset = (original - entries[k].range.lo).value;
  const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(first_row_[k]),
             last = rows_.begin() + static_cast<std::ptrdiff_t>(first_row_[k + 1]);
  const auto row = std::upper_bound(first, last, offset,
                                    [](std::uint64_t o, const Row& r) { return o < r.offset; });
  if (row == first) return std::nullopt;
  const auto id = std::prev(row)->state;
  const auto& rules = states_[id].rules;
  const bool returns = std::any_of(rules.begin(), rules.end(),
                                   [](const auto& r) { return r.first == return_column; });
  return returns ? std::optional(id) : std::nullopt;
}

FrameStates::Id FrameStates::pushed(Id id) {
  FrameState state = states_[id];
  if (!state.expression.empty() || state.reg != dwarf_rsp) return id;
  state.offset += return_address_bytes;
  return number_of(state);
}

const FrameCommon& FrameStates::common() {
  static const FrameCommon initial{
      .data_alignment = data_alignment, .return_column = return_column, .program = initial_program};
  return initial;
}

std::vector<std::uint8_t> FrameStates::change(Id from, Id to) const {
  const FrameState &a = states_[from], &b = states_[to];
  std::vector<std::uint8_t> out;
  if (!b.expression.empty()) {
    if (!same(a.expression, b.expression))
      out.insert(out.end(), b.expression.begin(), b.expression.end());
  } else if (!a.expression.empty() || (a.reg != b.reg && a.offset != b.offset)) {
    out.push_back(cfa_def_cfa);
    put_uleb(out, b.reg);
    put_uleb(out, b.offset);
  } else if (a.reg != b.reg) {
    out.push_back(cfa_def_cfa_register);
    put_uleb(out, b.reg);
  } else if (a.offset != b.offset) {
    out.push_back(cfa_def_cfa_offset);
    put_uleb(out, b.offset);
  }
  auto old = a.rules.begin();
  const auto restore_before = [&](std::uint64_t reg) {
    for (; old != a.rules.end() && old->first < reg; ++old) {
      if (old->first < 0x40) {
        out.push_back(static_cast<std::uint8_t>(cfa_restore | old->first));
      } else {
        out.push_back(cfa_restore_extended);
        put_uleb(out, old->first);
      }
    }
  };
  for (const auto& [reg, bytes] : b.rules) {
    restore_before(reg);
    const bool had = old != a.rules.end() && old->first == reg;
    if (!had || !same(old->second, bytes)) out.insert(out.end(), bytes.begin(), bytes.end());
    old += had;
  }
  restore_before(UINT64_MAX);
  return out;
}

}  // namespace punster
