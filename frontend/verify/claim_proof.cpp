// Definitions. The original is a set of instructions, the patched image memory after start. The
// claim (o, r) says: executing memory at r does what the original does from o on; "r stands for o".
//
// A claim (o, r) is proven by one of
//
//   home      r = o. Either nothing changed there, or o is a changed start with a proof of its own.
//   body      o is a changed start, and r is where its own jump leads, through its stub or not.
//   Never
//             for a retargeted call (C1): its body expects a return address on the stack.
//   copy      o did not change, and at r stands its instruction, equivalent, alone; and the claims
//             about everything that can come after it are proven: (next, behind it), (target, where
//             its branch leads) and so on.
//   filler    o did not change or was come to from a copy, a NOP stands at r, and (o, behind the
//   NOP)
//             is proven.
//   hop       an unconditional jump stands at r, and (o, its target) is proven.
//
// Home and body are what makes chained bodies cheap to check: the body of a site may run straight
// into the body of its successor, or branch straight to the body of its target. That body is proven
// at its own site, once. A changed start is not accepted as a copy: its payload must not be gone
// round. Copies are for sites that got no jump but whose slot in the row of bodies others run into:
// payload dropped, displaced instruction kept, filled up with NOPs. And copy, filler and hop happen
// in trampolines only; nothing is claimed about original code beyond home.
//
// A body without payload may stand twice, once at the place of its stub and once in the row. So one
// more way to prove (o, r):
//
//   twin      o is a changed start whose own jump leads to a copy of it, with nothing in front, and
//             r is another copy. Of a displaced jump: r jumps to where its own jump leads on to.
//
// Circles. Copies may be circular (a loop of slots). Claims are proven together, as the largest set
// in which each is right if the others are; that is sound when no circle is free, that is, when
// each turn consumes an instruction of the original and one of memory. A copy consumes both. Hops
// are counted, NOPs only lead forward, and between two of them stands a copy or the end.
//
// No choice is open: whether the jump at r is the copy of a jump at o or a hop, the same addresses
// follow, so a copy is taken wherever one stands. The one exception is a NOP at o: NOPs at r behind
// a copy that a jump home follows are filler (`jumps_to`), not its copy. So a list of open claims
// is enough, nothing is tried twice, and 600,000 slots in a row are as deep as one. What was proven
// stays known; where a claim fails, all copies on the way to it are refuted with it.

#include "frontend/verify/claim_proof.h"

#include <algorithm>

#include "frontend/verify/call_emulation.h"
#include "protocol/hex.h"

namespace punster {
namespace {

std::string bytes_of(Code code, std::size_t length) {
  return to_hex(code.first(std::min(code.size(), length)));
}

const char* kind_of(CallFault fault) {
  switch (fault) {
    case CallFault::wrong_return_address:
      return "wrong_call_return";
    case CallFault::wrong_target:
      return "wrong_target";
    case CallFault::wrong_state:
      return "wrong_call_state";
    default:
      return "displaced_altered";
  }
}

std::string describe_call_fault(const CallMatch& match, Vaddr next) {
  switch (match.fault) {
    case CallFault::wrong_return_address:
      return "pushes the return address " + to_hex(Vaddr{match.pushed_value.value_or(0)}) +
             " instead of " + to_hex(next);
    case CallFault::wrong_state:
      return "does not restore the registers it uses";
    case CallFault::wrong_target:
      return "calls something else";
    default:
      return "is not the displaced call";
  }
}

}  // namespace

ClaimProver::ClaimProver(const CodeModel& model)
    : model_(model), original_(*model.original), patched_(*model.patched), bodies_(model.entries) {}

std::optional<Fault> ClaimProver::displaced(Claim claim, bool pushed) {
  exits_.clear();
  auto fault = copy_at(claim, pushed, nowhere);
  left_out_ = false;
  if (!fault) return settle_all();
  // Alone at a changed start may the instruction be missing, if nothing is missed.
  const auto decoded = decode(original_.at(claim.original), claim.original);
  if (!decoded || !decoded->idle) return fault;
  fault = stands_for({claim.original + Bytes{decoded->length}, claim.run}, Edge::next, true);
  left_out_ = !fault;
  return fault;
}

std::optional<Fault> ClaimProver::stands_for(Claim claim, Edge edge, bool at_entry) {
  left_out_ = false;
  exits_.assign(1, {claim, edge, nowhere, false, at_entry});
  return settle_all();
}

std::optional<Fault> ClaimProver::settle_all() {
  for (std::uint32_t i = 0; i < exits_.size(); ++i)
    if (auto fault = settle(i)) {
      refute(i, *fault);
      return fault;
    }
  return std::nullopt;
}

/// What was on trial is unknown again, but for the way to the fault.
void ClaimProver::refute(std::uint32_t index, const Fault& fault) {
  Refuted& refuted = explaining_ ? explained_ : refuted_;
  bool kept = false;
  for (auto at = exits_[index].from; at != nowhere; at = exits_[at].from) {
    if (!kept) refuted.faults.push_back(fault);
    kept = true;
    refuted.by_claim.emplace(exits_[at].claim,
                             static_cast<std::uint32_t>(refuted.faults.size() - 1));
  }
  for (const Exit& exit : exits_)
    if (exit.copied) proven_.erase(exit.claim);
}

std::optional<Fault> ClaimProver::settle(std::uint32_t index) {
  const Exit exit = exits_[index];
  const Vaddr original = exit.claim.original;
  const ChangedStart* changed = model_.find_changed(original);
  Vaddr run = exit.claim.run;
  for (int hops = 0;;) {
    if (run == original) return untouched_target(original);
    if (changed != nullptr && leads_to(*changed, run, patched_)) return std::nullopt;
    if (!patched_.in_trampoline(run)) break;
    const bool own = exit.at_entry && run == exit.claim.run;
    if (!own && bodies_.begins_at(run)) break;  // somebody else's
    if (changed == nullptr) {
      if (jumps_to(run, original, exit.from != nowhere)) return untouched_target(original);
      const Claim copy{original, run};
      if (proven_.count(copy) > 0) return std::nullopt;
      const Refuted& refuted = explaining_ ? explained_ : refuted_;
      if (const auto known = refuted.by_claim.find(copy); known != refuted.by_claim.end())
        return refuted.faults[known->second];
      if (!copy_at(copy, false, index)) {
        proven_.insert(copy);
        exits_[index].claim = copy;
        exits_[index].copied = true;
        return std::nullopt;
      }
    }
    if (changed != nullptr && twin_at(*changed, run, index)) return std::nullopt;
    if (changed == nullptr || exit.from != nowhere) {
      const auto filler = decode(patched_.at(run), run);
      if (filler && filler->idle) {
        run = run + Bytes{filler->length};
        continue;
      }
    }
    const auto hop = hops < most_hops ? jump_from(run) : std::nullopt;
    if (!hop) break;
    run = *hop;
    ++hops;
  }
  return stands_for_something_else(exit, run);
}

/// Whether the start's displaced instruction stands at `run`, and where its own jump leads as well.
bool ClaimProver::twin_at(const ChangedStart& start, Vaddr run, std::uint32_t index) {
  if (start.shape != Shape::jump) return false;
  const Claim twin{start.insn.address(), run};
  if (proven_.count(twin) > 0) return true;
  const Ways ways(start, patched_);
  const auto original = decode(original_.at(twin.original), twin.original);
  if (original && original->flow == Flow::jump) {
    // A displaced jump and a stub look alike. Whichever it is, jumps to one place are one.
    const auto to = jump_from(run);
    return to && std::any_of(ways.all().begin(), ways.all().end(),
                             [&](Vaddr way) { return jump_from(way) == to; });
  }
  const auto open = exits_.size();
  const bool alone = std::any_of(ways.all().begin(), ways.all().end(), [&](Vaddr way) {
    return !copy_at({twin.original, way}, false, index);
  });
  if (!alone || copy_at(twin, false, index)) {
    exits_.resize(open);
    return false;
  }
  proven_.insert(twin);
  exits_[index].claim = twin;
  exits_[index].copied = true;
  return true;
}

/// Unlike jump_at(), any direct jump: the displaced one of a slot may be a `bnd jmp`.
std::optional<Vaddr> ClaimProver::jump_from(Vaddr run) {
  const auto decoded = decode(patched_.at(run), run);
  return decoded && decoded->flow == Flow::jump ? std::optional(decoded->target) : std::nullopt;
}

bool ClaimProver::jumps_to(Vaddr run, Vaddr original, bool behind_copy) {
  for (auto filler = decode(patched_.at(run), run); behind_copy && filler && filler->idle;
       filler = decode(patched_.at(run), run)) {
    run = run + Bytes{filler->length};
    if (!patched_.in_trampoline(run) || bodies_.begins_at(run)) return false;
  }
  for (int hops = 0; hops < most_hops; ++hops) {
    const auto hop = jump_from(run);
    if (!hop) return false;
    if (*hop == original) return true;
    run = *hop;
    if (!patched_.in_trampoline(run) || bodies_.begins_at(run)) return false;
  }
  return false;
}

Fault ClaimProver::stands_for_something_else(const Exit& exit, Vaddr last) {
  const bool next = exit.edge == Edge::next;
  return fault(next ? "wrong_return" : "wrong_target", [&] {
    const Code there = patched_.at(last);
    const auto owners = bodies_.at(last);
    return std::string(next ? "goes on at " : "branches to ") + to_hex(last) +
           (!owners.empty()
                ? ", the body of " + to_hex(model_.changed[owners[0].start].insn.address()) + ","
            : there.empty() ? ", which is not mapped executable,"
                            : " (" + bytes_of(there, 5) + ")") +
           " instead of " + to_hex(exit.claim.original);
  });
}

std::optional<Fault> ClaimProver::copy_at(Claim claim, bool pushed, std::uint32_t from) {
  const Code code = original_.at(claim.original);
  const auto decoded = decode(code, claim.original);
  if (!decoded)
    return fault("bad_original",
                 [&] { return "the original holds no instruction at " + to_hex(claim.original); });
  const Vaddr next = claim.original + Bytes{decoded->length};
  switch (decoded->flow) {
    case Flow::branch:
    case Flow::jump:
      return branch_at(claim, *decoded, from);
    case Flow::call:
    case Flow::call_through:
      return call_at(claim, next, pushed, from);
    case Flow::far_call:
      return fault("far_call", [] {
        return std::string("a displaced far call pushes the address of its trampoline");
      });
    case Flow::next:
    case Flow::leaves:
      break;
  }

  const Code copy = patched_.at(claim.run);
  if (const auto length = gated_syscall(code, copy, claim.run, model_.syscall_gate)) {
    leave({next, claim.run + Bytes{*length}}, Edge::next, from);
    return std::nullopt;
  }
  const auto [sameness, length] = compare_effect(code, claim.original, *decoded, copy, claim.run);
  if (sameness == Sameness::same) {
    if (decoded->flow == Flow::next) leave({next, claim.run + Bytes{length}}, Edge::next, from);
    return std::nullopt;
  }
  if (sameness == Sameness::other_memory)
    return fault("wrong_memory_target", [&] {
      return "the displaced instruction at " + to_hex(claim.run) + " (" +
             bytes_of(copy, decoded->length) + ") names other memory than the original " +
             bytes_of(code, decoded->length);
    });
  return fault("displaced_altered", [&] {
    return "at " + to_hex(claim.run) + " stands " + bytes_of(copy, decoded->length) +
           " instead of the displaced instruction " + bytes_of(code, decoded->length);
  });
}

std::optional<Fault> ClaimProver::branch_at(Claim claim, const Decoded& original,
                                            std::uint32_t from) {
  const Vaddr next = claim.original + Bytes{original.length};
  const Code copy = patched_.at(claim.run);
  const auto copied = decode(copy, claim.run);
  const auto other = [&] {
    return fault("displaced_altered", [&] {
      return "at " + to_hex(claim.run) + " stands " + bytes_of(copy, copied ? copied->length : 15) +
             " instead of the displaced branch " +
             bytes_of(original_.at(claim.original), original.length);
    });
  };
  if (original.flow == Flow::jump) {
    if (!copied || copied->flow != Flow::jump) return other();
    leave({original.target, copied->target}, Edge::target, from);
    return std::nullopt;
  }
  if (!copied || copied->flow != Flow::branch) return other();
  const Vaddr behind = claim.run + Bytes{copied->length};
  const bool same = copied->condition == original.condition;
  if (!same && inverse_condition(original.condition) != copied->condition) return other();
  const Vaddr taken = same ? copied->target : behind;
  const Vaddr not_taken = same ? behind : copied->target;
  leave({original.target, taken}, Edge::target, from);
  leave({next, not_taken}, Edge::next, from);
  return std::nullopt;
}

std::optional<Fault> ClaimProver::call_at(Claim claim, Vaddr next, bool pushed,
                                          std::uint32_t from) {
  const Code view = original_.at(claim.original);
  const OriginalCall call{view, claim.original, next, model_.movable, pushed};
  const CallMatch match = match_call(call, patched_, claim.run);
  if (match.fault != CallFault::none)
    return fault(kind_of(match.fault), [&] {
      return "the code at " + to_hex(claim.run) + " (" +
             bytes_of(patched_.at(claim.run), CodeReader::longest_instruction) + ") " +
             describe_call_fault(match, next);
    });
  const auto original = decode(view, claim.original);
  if (match.jump_target) leave({original->target, *match.jump_target}, Edge::target, from);
  return std::nullopt;
}

std::optional<Fault> ClaimProver::untouched_target(Vaddr target) {
  // A known start is proven by itself. An address inside a known instruction (a branch past a lock
  // prefix) must still find the original bytes, until the two streams of instructions meet.
  constexpr int longest_detour = 8;
  for (int i = 0; i < longest_detour && !model_.is_start(target); ++i) {
    const auto decoded = decode(original_.at(target), target);
    if (!decoded) return std::nullopt;  // no code of this file: the original would fault there too
    if (model_.differs(target, target + Bytes{decoded->length}))
      return fault("branch_into_changed_bytes", [&] {
        return "a branch leads to " + to_hex(target) +
               ", which is no known instruction start, and its bytes changed";
      });
    if (decoded->flow == Flow::leaves || decoded->flow == Flow::jump) return std::nullopt;
    target = target + Bytes{decoded->length};
  }
  return std::nullopt;
}

}  // namespace punster
