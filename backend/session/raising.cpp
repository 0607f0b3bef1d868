#include "backend/session/raising.h"

#include <algorithm>

#include "backend/raise/raise.h"
#include "backend/session/signed_address.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::uint64_t gib = 1ull << 30;

/// Where the file has the page of code at `page`, or nothing.
std::optional<std::uint64_t> offset_of_code_page(const ElfView& input, Vaddr page) {
  for (const auto& p : input.segments())
    if (p.p_type == PT_LOAD && (p.p_flags & PF_X) && page_floor(Vaddr{p.p_vaddr}) <= page &&
        page.value < p.p_vaddr + p.p_filesz)
      return page.value - p.p_vaddr + p.p_offset;
  return std::nullopt;
}

/// Pages of code were copied from the input with everything else that stands on them: tables that
/// ld.so reads, where the linker kept them together with the code.
Result<void> raise_code_page(const ElfView& input, const ElfView& raised,
                             const std::vector<FileOffset>& words, std::uint64_t offset,
                             std::span<std::uint8_t> copy) {
  constexpr std::uint64_t size = sizeof(std::uint64_t);
  auto word = std::lower_bound(words.begin(), words.end(),
                               FileOffset{offset < size ? 0 : offset - size + 1});
  for (; word != words.end() && word->value < offset + copy.size(); ++word)
    for (auto at = std::max(word->value, offset);
         at < std::min(word->value + size, offset + copy.size()); ++at) {
      if (copy[at - offset] != input.file()[at])
        return error("unsupported", input.path().string() +
                                        ": an address that must be raised, at file offset " +
                                        to_hex(*word) + ", was patched as code; use --raise=never");
      copy[at - offset] = raised.file()[at];
    }
  return success();
}

Result<void> raise_overlays(const ElfView& input, const ElfView& raised, const Raisable& raisable,
                            EmitPlan& plan) {
  for (const auto& m : plan.mappings)
    for (std::uint32_t i = 0; m.overlay && i < m.pages; ++i) {
      const auto offset = offset_of_code_page(input, m.address + Bytes{i * page_size.value});
      if (!offset) continue;
      const std::span copy(plan.pages.data() + (m.first_page + i) * page_size.value,
                           page_size.value);
      PUNSTER_TRY(raise_code_page(input, raised, raisable.words, *offset, copy));
    }
  return success();
}

/// The same bodies at raised addresses.
class RaisedBodies : public BodyList {
 public:
  RaisedBodies(const BodyList& bodies, Bytes by) : bodies_(bodies), by_(by) {}
  [[nodiscard]] std::size_t size() const override { return bodies_.size(); }
  [[nodiscard]] BodyPlace at(std::size_t k) const override { return raised(bodies_.at(k)); }
  [[nodiscard]] std::size_t scattered() const override { return bodies_.scattered(); }
  [[nodiscard]] BodyPlace scattered_at(std::size_t k) const override {
    return raised(bodies_.scattered_at(k));
  }

 private:
  [[nodiscard]] BodyPlace raised(BodyPlace place) const {
    place.original = place.original + by_;
    place.body = place.body + by_;
    return place;
  }

  const BodyList& bodies_;
  Bytes by_;
};

}  // namespace

std::optional<RaiseMode> parse_raise_mode(std::string_view name) {
  if (name == "auto") return RaiseMode::automatic;
  if (name == "never") return RaiseMode::never;
  if (name == "always") return RaiseMode::always;
  return std::nullopt;
}

Result<Raisable> raisable(const ElfView& input) {
  PUNSTER_TRY(auto words, address_words(input));
  PUNSTER_TRY(const auto unit, raise_unit(input));
  return Raisable{std::move(words), unit};
}

Result<Room> room_for(const ElfView& input, RaiseMode mode, const LayoutOptions& layout) {
  Room room;
  const bool by_headers = layout.mode == LayoutMode::headers, pie = input.kind() == FileKind::pie;
  const bool gains = input.kind() == FileKind::dso || (pie && by_headers);
  const bool wanted = mode == RaiseMode::always || (mode == RaiseMode::automatic && gains);
  if (wanted && pie && !by_headers)
    return error("cannot_raise",
                 input.path().string() +
                     ": is a program, which has room below itself without being raised, unless "
                     "program headers are to map it (--layout=headers)");
  if (wanted) {
    auto found = raisable(input);
    if (found) {
      room.raisable = std::move(found).value();
    } else if (mode == RaiseMode::always) {
      return std::move(found).error();
    } else {
      room.not_raised = std::move(found).error().message;
    }
  }
  using Below = FootprintOptions::Below;
  const auto below = room.raisable ? Below::raised : by_headers ? Below::none : Below::as_kind;
  PUNSTER_TRY(room.footprint,
              footprint(input, {.below = below, .most_headers = layout.most_headers}));
  return room;
}

Bytes raise_for(const EmitPlan& plan, const Room& room, RaiseMode mode) {
  if (!room.raisable) return Bytes{};
  std::int64_t lowest = signed_address(room.footprint.image.lo);
  const auto image = lowest;
  for (const auto& m : plan.mappings) lowest = std::min(lowest, signed_address(m.address));
  if (plan.counters) lowest = std::min(lowest, signed_address(plan.counters->address));
  if (lowest == image && mode != RaiseMode::always) return Bytes{};
  const std::int64_t least = static_cast<std::int64_t>(room_for_low_end) - lowest;
  std::uint64_t by = least > 0 ? static_cast<std::uint64_t>(least) : 1;
  if (mode == RaiseMode::always) by = std::max(by, 2 * gib);
  const auto unit = room.raisable->unit.value;
  return Bytes{(by + unit - 1) / unit * unit};
}

Result<EmitResult> emit_raised(const ElfView& input, const EmitPlan& plan, const Room& room,
                               Bytes by, const std::filesystem::path& output) {
  if (by.value == 0) return emit(input, plan, output);
  PUNSTER_TRY(const auto raised_input, raised(input, room.raisable->words, by));
  EmitPlan moved = plan;
  PUNSTER_TRY(raise_overlays(input, raised_input, *room.raisable, moved));
  for (auto& m : moved.mappings) m.address = m.address + by;
  for (auto& t : moved.traps) t = {t.site + by, t.trampoline + by};
  for (auto& call : moved.calls) call.address = call.address + by;
  if (moved.counters) moved.counters->address = moved.counters->address + by;
  if (moved.syscall_gate) moved.syscall_gate = *moved.syscall_gate + by;
  std::optional<RaisedBodies> bodies;
  if (plan.bodies) moved.bodies = &bodies.emplace(*plan.bodies, by);
  moved.raised_by = by;
  return emit(raised_input, moved, output);
}

}  // namespace punster
