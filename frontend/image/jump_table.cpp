// Two forms cover what GCC and Clang emit:
//
//   position-independent                     at a fixed address
//     cmp    $N,%eI ; ja default               cmp  $N,%eI ; ja default
//     lea    table(%rip),%rB                   jmp  *table(,%rI,8)
//     movslq (%rB,%rI,4),%rT                 or mov  table(,%rI,8),%rT ; jmp *%rT
//     add    %rB,%rT
//     jmp    *%rT
//   entries: 32 bits, relative to table      entries: 64 bits, absolute
//
// Other instructions may stand between these, and loops hoist the lea far away. We walk back over the
// instructions that stand before the jump in memory, which for compilers' code is also where control
// comes from, and look for each part in turn; the count comes from the nearest `cmp $N`. Where the walk
// is wrong, the entries are: a table of which one entry leads out of the function, into the middle of
// an instruction or to bytes that do not decode is dropped as a whole. That is cheap to do, since
// inside unwind ranges the same code is found without tables.

#include "frontend/image/jump_table.h"

#include <algorithm>
#include <cstring>

namespace punster {
namespace {

constexpr unsigned furthest = 48;        // instructions walked back
constexpr std::size_t most_entries = 4096;

struct Shape {
  Vaddr table;
  bool relative = false;  // 32-bit entries, relative to the table
  std::optional<std::size_t> entries;
};

// The instructions before a position, nearest first. Code without unwind entries is written by
// hand: there it ends where control cannot come from above, for the function may begin there.
class WalkBack {
 public:
  WalkBack(const Region& region, std::size_t at)
      : region_(region), at_(at), within_flow_(!region.is_covered(at)) {}
  std::optional<OperandInfo> next() {
    const auto previous = region_.before(at_);
    if (!previous || ++steps_ > furthest || (within_flow_ && region_.decode(*previous).ends_flow()))
      return std::nullopt;
    at_ = *previous;
    const auto info = decode_operands(region_.bytes_from(at_), region_.address(at_));
    return info ? info : OperandInfo{};
  }

 private:
  const Region& region_;
  std::size_t at_;
  bool within_flow_;
  unsigned steps_ = 0;
};

using Verb = OperandInfo::Verb;

bool writes(const OperandInfo& info, std::uint8_t reg) {
  return reg < 16 && (info.writes >> reg & 1) != 0;
}

std::optional<Shape> shape_of(const Region& region, std::size_t at) {
  const auto jump = decode_operands(region.bytes_from(at), region.address(at));
  if (!jump)
    return std::nullopt;
  Shape shape;
  const auto absolute = [&](const OperandInfo& load) {
    if (!load.has_memory || load.base != no_register || load.index >= 16 || load.scale != 8)
      return false;
    shape.table = Vaddr{static_cast<std::uint64_t>(load.displacement)};
    return true;
  };
  WalkBack walk(region, at);
  if (!absolute(*jump)) {
    if (jump->has_memory || jump->first >= 16)
      return std::nullopt;
    // Where the target register comes from: an addition of the table's base, or a load.
    const std::uint8_t target = jump->first;
    std::uint8_t addend = no_register;
    std::optional<OperandInfo> load;
    while (const auto info = walk.next()) {
      if (addend == no_register && info->verb == Verb::add && info->first == target &&
          !info->has_memory && info->second < 16) {
        addend = info->second;
        continue;
      }
      const bool loads_addend = addend != no_register && writes(*info, addend) &&
                                info->verb == Verb::movsxd && info->has_memory;
      if (!writes(*info, target) && !loads_addend)
        continue;
      load = info;
      break;
    }
    if (!load || !load->has_memory)
      return std::nullopt;
    if (addend == no_register) {
      if (load->verb != Verb::mov || !absolute(*load))
        return std::nullopt;
    } else {
      // movslq (B,I,4): one of target and addend holds the entry, the other one the table.
      const std::uint8_t base = load->base;
      if (load->verb != Verb::movsxd || load->scale != 4 || load->displacement != 0 ||
          (base != target && base != addend) || load->index >= 16)
        return std::nullopt;
      std::optional<OperandInfo> lea;
      while (const auto info = walk.next()) {
        if (!shape.entries && info->verb == Verb::cmp && !info->has_memory && info->immediate)
          shape.entries = static_cast<std::size_t>(*info->immediate & 0xffffffff) + 1;
        if (!writes(*info, base))
          continue;
        lea = info;
        break;
      }
      if (!lea || lea->verb != Verb::lea || lea->base != rip_register)
        return std::nullopt;
      shape.table = Vaddr{static_cast<std::uint64_t>(lea->displacement)};
      shape.relative = true;
    }
  }
  while (!shape.entries) {
    const auto info = walk.next();
    if (!info)
      break;
    if (info->verb == Verb::cmp && info->immediate)
      shape.entries = static_cast<std::size_t>(*info->immediate & 0xffffffff) + 1;
  }
  if (shape.entries && *shape.entries > most_entries)
    shape.entries.reset();
  return shape;
}

// Whether an instruction may start here, as far as is known.
bool can_start(const Spot& spot) {
  if (spot.region->is_inside(spot.at))
    return false;
  if (spot.region->is_start(spot.at))
    return true;
  const FlowInfo info = spot.region->decode(spot.at);
  return info.kind != FlowKind::invalid && !info.odd;
}

}  // namespace

// The part of the region that a table may lead to: the jump's own function when its unwind range is
// known (tables that also lead to a cold part elsewhere are given up; the unwind range finds the
// same code), else everything.
const JumpTableReader::Part& JumpTableReader::reachable_from(const Spot& jump) {
  const Region& region = *jump.region;
  if (part_.region == &region && jump.at >= part_.lo && jump.at < part_.hi)
    return part_;
  if (!region.is_covered(jump.at)) {
    part_ = {&region, 0, region.size()};
    return part_;
  }
  part_ = {&region, jump.at, jump.at + 1};
  while (part_.lo > 0 && !region.is_boundary(part_.lo))
    --part_.lo;
  while (part_.hi < region.size() && !region.is_boundary(part_.hi))
    ++part_.hi;
  return part_;
}

std::optional<JumpTable> JumpTableReader::read(const Spot& jump) {
  const auto shape = shape_of(*jump.region, jump.at);
  if (!shape || !shape->entries)
    return std::nullopt;
  const std::size_t width = shape->relative ? 4 : 8;
  JumpTable table{shape->table, Bytes{*shape->entries * width}, {}};
  const auto bytes = image_.bytes_at(table.address, table.size);
  if (bytes.size() < table.size.value)
    return std::nullopt;
  const Part& part = reachable_from(jump);
  for (std::size_t at = 0; at < bytes.size(); at += width) {
    Vaddr target;
    if (shape->relative) {
      std::int32_t entry;
      std::memcpy(&entry, bytes.data() + at, 4);
      target = displaced(table.address, entry);
    } else {
      std::memcpy(&target.value, bytes.data() + at, 8);
    }
    const Spot spot = claims_.find(target);
    if (!spot || spot.region != part.region || spot.at < part.lo || spot.at >= part.hi ||
        !can_start(spot))
      return std::nullopt;
    table.targets.push_back(target);
  }
  std::ranges::sort(table.targets);
  table.targets.erase(std::unique(table.targets.begin(), table.targets.end()), table.targets.end());
  return table;
}

}  // namespace punster
