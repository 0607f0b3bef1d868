#include "backend/solve/board.h"

#include <algorithm>

namespace punster {

Board::Board(const SolverInput& input, const SolverOptions& options)
    : input_(input), options_(options), bytes_(input), pages_(input.space) {
  start_.reserve(input.instructions.size());
  for (const auto& insn : input.instructions) start_.push_back(bytes_.position(insn.address()));
  adjoins_next_.resize(start_.size());
  for (InsnIndex i = 0; i + 1 < start_.size(); ++i) {
    Position p = start_[i] + length(i);
    while (p < start_[i + 1] && p < start_[i] + 5 && bytes_.kind(p) == ByteKind::padding) ++p;
    adjoins_next_[i] = p == start_[i + 1];
  }
  site_of_.assign(start_.size(), no_insn);
  for (std::size_t k = 0; k < input.sites.size(); ++k)
    site_of_[input.sites[k].insn] = static_cast<InsnIndex>(k);
  placed_.resize(start_.size());
  choose_bytes();
}

void Board::choose_bytes() {
  // A top byte is worth having when the 16 MiB it leads to, from somewhere in the code, may hold a
  // page.
  if (input_.code.empty()) return;
  const auto code_lo = static_cast<std::int64_t>(input_.code.front().address.value);
  const auto code_hi =
      static_cast<std::int64_t>(input_.code.back().address.value + input_.code.back().bytes.size());
  const auto leads_to = [&](int top, const TargetRange& range) {
    const std::int64_t from = static_cast<std::int64_t>(static_cast<std::int8_t>(top)) << 24;
    return code_lo + from < range.hi && code_hi + from + (1 << 24) > range.lo;
  };
  for (int top = 0; top < 256; ++top) {
    for (const auto& range : input_.space.free) top_legal_[top] |= leads_to(top, range);
    top_valid_[top] = top_legal_[top] && !gathers();
    for (const auto& range : input_.space.gatherings)
      top_valid_[top] |= top_legal_[top] && leads_to(top, range);
  }
  for (int distance = 0; distance < 128; ++distance)
    for (const int top : {distance, 255 - distance})
      if (top_valid_[top]) valid_tops_.add(static_cast<std::uint8_t>(top));
  for (unsigned set = 0; set < near_tops_.size(); ++set)
    for (int n = 0; n < near_top_count; ++n)
      if (set >> n & 1) near_tops_[set].add(near_top_bytes[n]);
  for (int distance = 0; distance <= 22; ++distance)
    for (const int middle : {0xe9 + distance, 0xe9 - distance}) {
      const auto byte = static_cast<std::uint8_t>(middle);
      if (distance <= 3) middles_[static_cast<int>(Insistence::closely)].add(byte);
      middles_[static_cast<int>(Insistence::loosely)].add(byte);
    }
}

std::optional<std::int64_t> Board::body_of(InsnIndex i) const {
  if (is_site(i)) return input_.sites[site_of_[i]].body();
  return input_.evicted->body_of(i);
}

std::optional<Window> Board::window_from(Position rel, Position own_end) const {
  Window window;
  window.end = bytes_.address(own_end - 1) + (static_cast<std::int64_t>(rel) + 4 - (own_end - 1));
  std::uint32_t high = 0;
  int j = 0;
  for (; j < 4; ++j) {
    const Position p = rel + j;
    if (p >= own_end && !bytes_.free_padding(p)) break;
  }
  window.free_bytes = j;
  if (bytes_.kind(rel + 3) == ByteKind::outside) return std::nullopt;
  for (; j < 4; ++j) high |= std::uint32_t{bytes_.value(rel + j)} << (8 * j);
  window.high = static_cast<std::int32_t>(high);
  if (window.free_bytes < 4 && !top_legal_[high >> 24]) return std::nullopt;
  return window;
}

std::optional<Window> Board::window(InsnIndex i, unsigned prefixes) const {
  assert(prefixes < length(i));
  return window_from(start_[i] + prefixes + 1, start_[i] + length(i));
}

std::optional<Window> Board::pad_window(Position pad, Position own_end) const {
  assert(pad < own_end);
  return window_from(pad + 1, own_end);
}

unsigned Board::near_tops_at(InsnIndex i) const {
  const std::int64_t at = bytes_.address(start_[i]);
  unsigned set = 0;
  for (int n = 0; n < near_top_count; ++n) {
    const std::int64_t lo = at + static_cast<std::int32_t>(near_top_bytes[n] << 24 | 0xe9 << 16);
    if (pages_.legal(lo >> 12) && pages_.legal((lo + 0xffff) >> 12)) set |= 1u << n;
  }
  return set;
}

InsnIndex Board::insn_at(Position p) const {
  if (bytes_.kind(p) != ByteKind::insn) return no_insn;
  return static_cast<InsnIndex>(std::upper_bound(start_.begin(), start_.end(), p) - start_.begin() -
                                1);
}

bool Board::in_dead_tail(Position p) const {
  if (bytes_.kind(p) != ByteKind::insn || bytes_.locks(p) != 0) return false;
  const InsnIndex i = insn_at(p);
  const Placement& placed = placed_[i];
  switch (placed.shape) {
    case Shape::jump:
      return p >= start_[i] + placed.prefixes + 5;
    case Shape::short_jump:
    case Shape::trap:
      return p >= start_[i] + std::min(length(i), 2u);
    default:
      return false;
  }
}

void Board::write_jump(Position at, std::int64_t target, std::uint8_t opcode) {
  const std::int64_t end = bytes_.address(at) + 5;
  const auto rel = displacement(Vaddr{static_cast<std::uint64_t>(end)},
                                Vaddr{static_cast<std::uint64_t>(target)});
  assert(rel.has_value());
  bytes_.write(at, opcode);
  for (int j = 0; j < 4; ++j) {
    const Position p = at + 1 + j;
    const auto byte = static_cast<std::uint8_t>(static_cast<std::uint32_t>(*rel) >> (8 * j));
    if (bytes_.value(p) != byte) {
      assert(bytes_.locks(p) == 0);  // borrowed bytes are never changed, only relied upon
      bytes_.write(p, byte);
    }
  }
  for (Position p = at; p < at + 5; ++p) bytes_.lock(p);
}

void Board::commit(const Edit& edit) {
  Placement& placed = placed_[edit.insn];
  assert(placed.shape == Shape::untouched);
  const Position s = start_[edit.insn];
  for (unsigned k = 0; k < edit.prefixes; ++k) {
    assert(bytes_.locks(s + k) == 0);
    bytes_.write(s + k, k == 0 ? edit.first_prefix : prefix_byte);
    bytes_.lock(s + k);
  }
  assert(bytes_.locks(s + edit.prefixes) == 0);
  std::uint8_t means = edit.prefixes > 0 ? means_prefix : 0;
  for (Position p = s + length(edit.insn); p < s + edit.prefixes + 5; ++p)
    if (bytes_.free_padding(p)) means |= means_pad_in_padding;
  write_jump(s + edit.prefixes, edit.target, opcode(edit.insn));
  if (edit.stub) pages_.take(edit.target);
  placed = {Shape::jump, edit.prefixes, edit.first_prefix, means, edit.stub, 0, edit.target};
}

void Board::commit_short_jump(InsnIndex i, Position pad, std::int64_t target, bool stub,
                              std::uint8_t means) {
  const Position s = start_[i];
  const auto rel8 = static_cast<std::int64_t>(pad) - (static_cast<std::int64_t>(s) + 2);
  assert(rel8 >= -128 && rel8 <= 127);
  assert(bytes_.locks(s) == 0);
  bytes_.write(s, 0xeb);
  bytes_.lock(s);
  if (bytes_.value(s + 1) != static_cast<std::uint8_t>(rel8)) {
    assert(bytes_.locks(s + 1) == 0);
    bytes_.write(s + 1, static_cast<std::uint8_t>(rel8));
  }
  bytes_.lock(s + 1);
  write_jump(pad, target);
  if (stub) pages_.take(target);
  placed_[i] = {Shape::short_jump, 0, 0, means, stub, static_cast<std::int8_t>(rel8), target};
}

void Board::undo_short_jump(InsnIndex i) {
  Placement& placed = placed_[i];
  assert(placed.shape == Shape::short_jump);
  if (placed.stub) pages_.release(placed.target);
  for (Position p = start_[i]; p < start_[i] + 2; ++p) bytes_.unlock(p);
  const Position pad = pad_of(i, placed);
  for (Position p = pad; p < pad + 5; ++p) bytes_.unlock(p);
  placed = {};
}

unsigned Board::trap_size(InsnIndex i, const TrapCode& trap) const {
  return length(i) == 1 ? 1 : trap.size;
}

void Board::commit_trap(InsnIndex i, const TrapCode& trap) {
  const Position s = start_[i];
  for (unsigned k = 0; k < trap_size(i, trap); ++k) {
    bytes_.write(s + k, length(i) == 1 ? trap.alone : trap.code[k]);
    bytes_.lock(s + k);
  }
  placed_[i].shape = Shape::trap;
}

void Board::lock_tail(InsnIndex i, const TrapCode& trap) {
  for (unsigned j = trap_size(i, trap); j < length(i); ++j) bytes_.lock(start_[i] + j);
}

bool Board::undo_trap(InsnIndex i, const TrapCode& trap) {
  assert(placed_[i].shape == Shape::trap);
  const Position s = start_[i], end = s + trap_size(i, trap);
  for (Position p = s; p < end; ++p)
    if (bytes_.locks(p) != 1) return false;
  for (Position p = s; p < end; ++p) bytes_.unlock(p);
  placed_[i] = {};
  return true;
}

void Board::commit_replacement(InsnIndex i, const std::string& replacement) {
  assert(replacement.size() == length(i));
  for (unsigned j = 0; j < length(i); ++j) {
    bytes_.write(start_[i] + j, static_cast<std::uint8_t>(replacement[j]));
    bytes_.lock(start_[i] + j);
  }
  placed_[i].shape = Shape::replaced;
}

Tactic Board::tactic_of(InsnIndex i) const {
  const Placement& placed = placed_[i];
  switch (placed.shape) {
    case Shape::untouched:
      return Tactic::none;
    case Shape::replaced:
      return Tactic::I0;
    case Shape::trap:
      return Tactic::B0;
    case Shape::short_jump:
      return Tactic::T3;
    case Shape::jump:
      if (is_call(i)) return Tactic::C1;
      break;
  }
  const Position end = start_[i] + placed.prefixes + 5;
  for (InsnIndex j = i; adjoins_next(j) && start_[j + 1] < end;)
    if (++j; !is_site(j) && placed_[j].shape == Shape::jump) return Tactic::T2;
  if (placed.prefixes > 0) return Tactic::T1;
  return length(i) >= 5 ? Tactic::B1 : Tactic::B2;
}

bool Board::can_undo(InsnIndex i) const {
  const Placement& placed = placed_[i];
  if (placed.shape == Shape::untouched) {
    for (unsigned j = 0; j < length(i); ++j)
      if (bytes_.locks(start_[i] + j) != 0) return false;
    return true;
  }
  if (placed.shape == Shape::short_jump) {
    const Position pad = pad_of(i, placed);
    for (Position p = pad; p < pad + 5; ++p)
      if (bytes_.locks(p) != 1) return false;
  }
  if (placed.shape != Shape::jump && placed.shape != Shape::short_jump) return false;
  const unsigned wanted = placed.shape == Shape::jump ? placed.prefixes + 5u : 2u;
  const unsigned used = std::min(length(i), wanted);
  for (unsigned j = 0; j < length(i); ++j)
    if (bytes_.locks(start_[i] + j) != (j < used ? 1u : 0u)) return false;
  return true;
}

void Board::undo(InsnIndex i) {
  assert(can_undo(i));
  Placement& placed = placed_[i];
  if (placed.shape == Shape::short_jump) return undo_short_jump(i);
  assert(placed.shape == Shape::jump);
  if (placed.stub) pages_.release(placed.target);
  for (Position p = start_[i]; p < start_[i] + placed.prefixes + 5; ++p) bytes_.unlock(p);
  placed = {};
}

void Board::restore(InsnIndex i, const Placement& before) {
  assert(before.shape == Shape::jump || before.shape == Shape::short_jump);
  if (before.shape == Shape::short_jump)
    return commit_short_jump(i, pad_of(i, before), before.target, before.stub, before.means);
  commit({i, before.prefixes, before.stub, before.target, before.first_prefix});
  add_means(i, before.means);
}

}  // namespace punster
