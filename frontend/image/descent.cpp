#include "frontend/image/descent.h"

#include <algorithm>

namespace punster {
namespace {

bool is_add_zero(const Spot& spot) {
  const auto bytes = spot.region->bytes_from(spot.at);
  return bytes.size() >= 2 && bytes[0] == 0 && bytes[1] == 0;
}

bool is_sealed(const Spot& spot, unsigned length) {
  for (std::size_t i = spot.at; i < spot.at + length && i < spot.region->size(); ++i)
    if (spot.region->is_sealed(i)) return true;
  return false;
}

// `call 1f; .asciz "..."; 1: pop %rax` gets the address of what stands between.
bool calls_over_data(const Spot& spot, const FlowInfo& info) {
  constexpr std::uint64_t most = 4096;
  const std::size_t next = spot.at + info.length;
  if (info.kind != FlowKind::call || next >= spot.region->size())
    return false;
  const Vaddr from = spot.region->address(next);
  if (info.target <= from || info.target >= spot.region->range().hi ||
      info.target - from > Bytes{most})
    return false;
  const auto bytes = spot.region->bytes_from(spot.region->position(info.target));
  const std::size_t opcode = bytes.size() > 1 && bytes[0] == 0x41 ? 1 : 0;
  return bytes[opcode] >= 0x58 && bytes[opcode] <= 0x5f;
}

}  // namespace

void Descent::run() {
  for (std::uint64_t done = 0; !work_.empty(); ++done) {
    if (done % 4096 == 0 && tick_)
      tick_();
    const Hint next = work_.back();
    work_.pop_back();
    if (const Spot spot = claims_.find(next.address))
      follow(spot, next.evidence);
  }
}

void Descent::follow(Spot spot, Evidence evidence) {
  Region& region = *spot.region;
  targets_.clear();
  std::size_t unsure = spot.at;  // what stands from here to the end of the path is garbage if the path is
  const auto leave = [&] {
    for (const Vaddr target : targets_)
      work_.push_back({target, evidence});
  };
  for (std::size_t at = spot.at; at < region.size();) {
    if (region.is_start(at))
      return leave();
    const FlowInfo info = region.decode(at);
    // Zeros decode, but nobody writes `add %al,(%rax)`: the path has left the code.
    if (info.kind == FlowKind::invalid || is_add_zero({&region, at}) ||
        is_sealed({&region, at}, info.length)) {
      region.dispute(unsure, at - unsure);
      return;
    }
    if (!region.has_room(at, info.length)) {
      settle_overlap({&region, at}, info.length);
      return leave();
    }
    claim({&region, at}, info, evidence);
    if (info.direct())
      targets_.push_back(info.target);
    const std::size_t next = at + info.length;
    if (next >= region.size() || (info.ends_flow() && !region.goes_on_with_int3(next)))
      return leave();
    const bool call = info.kind == FlowKind::call || info.kind == FlowKind::indirect_call;
    // At the end of a function a call does not return, and compilers let control "fall out" where the
    // source promised that it cannot. Without unwind entries any call may be such a one.
    if (region.is_boundary(next) ? call || region.is_free(next)
                                 : call && (!region.is_covered(next) || region.is_data(next))) {
      if (!call || !region.is_boundary(next))
        findings_.hints.push_back({region.address(next), Evidence::call_return});
      return leave();
    }
    at = next;
    if (call) {
      leave();
      targets_.clear();
      unsure = at;
    }
  }
}

void Descent::claim(const Spot& spot, const FlowInfo& info, Evidence evidence) {
  Region& region = *spot.region;
  region.claim(spot.at, info.length, evidence);
  ++findings_.forms[info.form];
  ++findings_.instructions;
  findings_.claimed_bytes += info.length;
  if (info.rip_relative) {
    if (info.takes_address) {
      if (claims_.find(info.memory))
        findings_.taken.push_back({region.address(spot.at), info.memory});
    } else if (info.kind != FlowKind::nop) {
      note_access(spot, info);
    }
  }
  if (calls_over_data(spot, info))
    region.set_data(spot.at + info.length);
  if (info.kind == FlowKind::indirect_jump)
    findings_.indirect_jumps.push_back(region.address(spot.at));
}

// All bytes of the operand are data, not only the first: a constant is often as long as the jump
// over it reaches, and from its second byte on it may decode well.
void Descent::note_access(const Spot& spot, const FlowInfo& info) {
  const Spot read = claims_.find(info.memory);
  if (!read) return;
  const auto operands =
      decode_operands(spot.region->bytes_from(spot.at), spot.region->address(spot.at));
  const std::size_t size = operands ? std::max<std::size_t>(operands->memory_size, 1) : 1;
  for (std::size_t i = read.at; i < read.at + size && i < read.region->size(); ++i)
    read.region->set_data(i);
}

// Two certain paths disagree about where instructions start. The usual cause is honest:
//     je 1f; lock; 1: cmpxchg %rdx,(%rdi)
// jumps past a prefix. Such bytes must not be changed, whichever reading is meant: a jump over the
// longer instruction would be entered in its middle.
void Descent::settle_overlap(const Spot& spot, unsigned length) {
  Region& region = *spot.region;
  region.dispute(spot.at, length);
  for (std::size_t i = spot.at; i < spot.at + length && i < region.size(); ++i) {
    if (region.is_free(i))
      continue;
    const std::size_t start = region.start_around(i);
    region.dispute(start, region.length(start));
  }
  const std::size_t end = spot.at + length;
  if (end < region.size() && region.is_free(end) && !region.is_boundary(end))
    findings_.hints.push_back({region.address(end), Evidence::call_return});
}

}  // namespace punster
