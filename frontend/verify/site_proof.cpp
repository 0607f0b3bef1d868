// Proving one start.
//
// Definitions. The original is a set of instructions, the patched image memory after start. The
// claim (o, r) says: executing memory at r does what the original does from o on. A changed start s
// leads unconditionally, by jump, retargeted call or trap, to an entry e in a trampoline. To prove
// is (s, e), up to a payload in front.
//
// A claim (o, r) is proven by one of
//
//   home      r = o. Either nothing changed there, or o is a changed start with a proof of its own.
//   known     o is a changed start, and r lies on the way that its own jump takes: the same proof.
//   hop       an unconditional jump stands at r, and (o, its target) is proven.
//   displace  the instruction at o stands at r, equivalent, and the claims about everything that
//   can come
//             after it are proven: (next, behind it), (target, where its branch leads) and so on.
//
// `home` and `known` make chaining cheap to check: the body of a site may run straight into the
// body of its successor, or branch straight to the body of its target. `displace` from another
// claim is allowed for instructions that did not change; a changed start has a payload that must
// not be gone round. Claims may be circular (a loop copied as a whole), and a circle is sound
// because each `displace` in it consumes an instruction on both sides; circles of hops alone are
// cut by counting.
//
// Where a jump stands at the entry it may be a stub (hop) or the displaced instruction itself,
// which may be a jump too: bytes cannot tell, so both are tried. The payload ends at the first
// place where the rest can be proven; it is searched for only behind all stubs.
//
// What may be left out: at the start itself, a displaced NOP or endbr (nothing to do). A displaced
// jump may not: two jumps at each other, both left out, would prove each other.

#include "frontend/verify/site_proof.h"

#include <algorithm>
#include <string_view>

#include "frontend/verify/call_emulation.h"
#include "frontend/verify/payload.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr int deepest = 64;

std::string bytes_of(Code code, std::size_t length) {
  return to_hex(code.first(std::min(code.size(), length)));
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

/// Of several failed attempts the one that got furthest tells most.
int rank(const Fault& fault) {
  const std::string_view kind = fault.kind;
  if (kind == "displaced_altered") return 0;
  if (kind == "wrong_memory_target") return 1;
  return 2;
}

void keep_better(std::optional<Fault>& best, std::optional<Fault> fault) {
  if (fault && (!best || rank(*fault) > rank(*best))) best = std::move(fault);
}

}  // namespace

SiteProver::SiteProver(const CodeModel& model)
    : model_(model), original_(*model.original), patched_(*model.patched) {}

Proof SiteProver::prove(const ChangedStart& start, const Demand& demand) {
  explaining_ = false;
  Proof proof = attempt(start, demand);
  if (proof.fault) {
    explaining_ = true;
    proof = attempt(start, demand);
  }
  return proof;
}

Proof SiteProver::attempt(const ChangedStart& start, const Demand& demand) {
  std::array<Vaddr, most_hops + 1> ways{start.entry};
  std::size_t count = 1;
  while (count < ways.size()) {
    const auto hop = jump_at(patched_, ways[count - 1]);
    if (!hop || !patched_.in_trampoline(hop->target)) break;
    ways[count++] = hop->target;
  }

  std::optional<Fault> best;
  for (std::size_t i = count; i-- > 0;) {
    auto fault = displaced_at(start, ways[i], demand);
    if (!fault) return {{}, false};
    keep_better(best, std::move(fault));
  }
  if (!demand.payload_allowed) return {std::move(best), false};

  const Vaddr body = ways[count - 1];
  const PayloadEnd end = end_of_payload(patched_, body, [&](Vaddr at) {
    if (at == body) return false;  // tried above
    auto fault = displaced_at(start, at, demand);
    if (!fault) return true;
    keep_better(best, std::move(fault));
    return false;
  });
  if (end.found) return {{}, true};
  if (explaining_ && rank(*best) == 0 && !end.reason.empty())
    best->message += "; nor after a payload: " + end.reason;
  return {std::move(best), false};
}

std::optional<Fault> SiteProver::displaced_at(const ChangedStart& start, Vaddr run,
                                              const Demand& demand) {
  assumed_.clear();
  if (demand.jump || demand.instead || demand.exit) return asked_for_at(start, run, demand);
  return instruction_at({start.insn.address(), run}, start.shape == Shape::call, 0);
}

std::optional<Fault> SiteProver::asked_for_at(const ChangedStart& start, Vaddr run,
                                              const Demand& demand) {
  if (demand.exit) {
    if (ends_program(patched_, run, *demand.exit)) return std::nullopt;
    return fault("displaced_altered", [&] {
      return "at " + to_hex(run) + " the program does not end with status " +
             std::to_string(*demand.exit) + ": " + to_hex(patched_.at(run));
    });
  }
  if (start.shape == Shape::call)
    return fault("wrong_call_state", [] {
      return std::string("a return address was pushed, but the call is to be replaced");
    });
  if (demand.jump) return reaches({*demand.jump, run}, Edge::target, 0);
  return instead_at(start.insn.end(), run, *demand.instead);
}

std::optional<Fault> SiteProver::instead_at(Vaddr next, Vaddr run, const std::string& bytes) {
  const auto* wanted = reinterpret_cast<const std::uint8_t*>(bytes.data());
  bool leaves = false;
  for (std::size_t done = 0; done < bytes.size();) {
    const auto left = Code(wanted, bytes.size()).subspan(done);
    const auto decoded = decode(left, run);
    const std::size_t length = decoded ? decoded->length : left.size();
    const Code code = patched_.at(run);
    if (length > code.size() || !std::equal(left.begin(), left.begin() + length, code.begin()))
      return fault("displaced_altered", [&] {
        return "the asked-for bytes " + to_hex(left) + " do not stand at " + to_hex(run) + ": " +
               to_hex(code);
      });
    leaves = decoded && (decoded->flow == Flow::leaves || decoded->flow == Flow::jump);
    done += length;
    run = run + Bytes{length};
  }
  return leaves ? std::nullopt : reaches({next, run}, Edge::next, 0);
}

std::optional<Fault> SiteProver::instruction_at(Claim claim, bool pushed, int depth) {
  if (std::find(assumed_.begin(), assumed_.end(), claim) != assumed_.end()) return std::nullopt;
  if (depth > deepest)
    return fault("too_deep", [] {
      return "gave up after " + std::to_string(deepest) + " displaced instructions";
    });
  const Code code = original_.at(claim.original);
  const auto decoded = decode(code, claim.original);
  if (!decoded)
    return fault("bad_original",
                 [&] { return "the original holds no instruction at " + to_hex(claim.original); });
  const Vaddr next = claim.original + Bytes{decoded->length};
  assumed_.push_back(claim);

  switch (decoded->flow) {
    case Flow::branch:
    case Flow::jump:
      return branch_at(claim, *decoded, depth);
    case Flow::call:
    case Flow::call_through:
      return call_at(claim, next, pushed, depth);
    case Flow::far_call:
      return fault("far_call", [] {
        return std::string("a displaced far call pushes the address of its trampoline");
      });
    case Flow::next:
    case Flow::leaves:
      break;
  }

  const Code copy = patched_.at(claim.run);
  const auto [sameness, length] = compare_effect(code, claim.original, *decoded, copy, claim.run);
  if (sameness == Sameness::same) {
    if (decoded->flow == Flow::leaves) return std::nullopt;
    return reaches({next, claim.run + Bytes{length}}, Edge::next, depth + 1);
  }
  if (decoded->idle && depth == 0) return reaches({next, claim.run}, Edge::next, depth + 1);
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

std::optional<Fault> SiteProver::branch_at(Claim claim, const Decoded& original, int depth) {
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
    return reaches({original.target, copied->target}, Edge::target, depth + 1);
  }
  if (!copied || copied->flow != Flow::branch) return other();
  const Vaddr behind = claim.run + Bytes{copied->length};
  const bool same = copied->condition == original.condition;
  if (!same && inverse_condition(original.condition) != copied->condition) return other();
  const Vaddr taken = same ? copied->target : behind;
  const Vaddr not_taken = same ? behind : copied->target;
  if (auto fault = reaches({original.target, taken}, Edge::target, depth + 1)) return fault;
  return reaches({next, not_taken}, Edge::next, depth + 1);
}

std::optional<Fault> SiteProver::call_at(Claim claim, Vaddr next, bool pushed, int depth) {
  const Code view = original_.at(claim.original);
  const OriginalCall call{view, claim.original, next, model_.movable, pushed};
  const auto original = decode(view, claim.original);
  const CallMatch match = match_call(call, patched_, claim.run);
  if (match.fault == CallFault::none)
    return match.jump_target
               ? reaches({original->target, *match.jump_target}, Edge::target, depth + 1)
               : std::nullopt;
  // A retargeted call may lead straight into its callee's own body: the hardware did all of the
  // call.
  if (pushed && original->flow == Flow::call &&
      !reaches({original->target, claim.run}, Edge::target, depth + 1))
    return std::nullopt;
  const char* kind = match.fault == CallFault::wrong_return_address  ? "wrong_call_return"
                     : match.fault == CallFault::not_a_call_sequence ? "displaced_altered"
                     : match.fault == CallFault::wrong_target        ? "wrong_target"
                                                                     : "wrong_call_state";
  return fault(kind, [&] {
    return "the code at " + to_hex(claim.run) + " (" +
           bytes_of(patched_.at(claim.run), CodeReader::longest_instruction) + ") " +
           describe_call_fault(match, next);
  });
}

std::optional<Fault> SiteProver::reaches(Claim claim, Edge edge, int depth) {
  const ChangedStart* changed = model_.find_changed(claim.original);
  Vaddr run = claim.run;
  Vaddr last = run;
  for (int hops = 0;; ++hops) {
    last = run;
    if (run == claim.original) return untouched_target(claim.original);
    if (changed != nullptr && leads_to(*changed, run, patched_)) return std::nullopt;
    if (changed == nullptr && patched_.in_trampoline(run)) {
      const auto assumed = assumed_.size();
      if (!instruction_at({claim.original, run}, false, std::max(depth, 1))) return std::nullopt;
      assumed_.resize(assumed);
    }
    const auto hop = hops < most_hops ? jump_at(patched_, run) : std::nullopt;
    if (!hop) break;
    run = hop->target;
  }
  const bool next = edge == Edge::next;
  return fault(next ? "wrong_return" : "wrong_target", [&] {
    const Code there = patched_.at(last);
    return std::string(next ? "goes on at " : "branches to ") + to_hex(last) +
           (there.empty() ? ", which is not mapped executable," : " (" + bytes_of(there, 5) + ")") +
           " instead of " + to_hex(claim.original);
  });
}

std::optional<Fault> SiteProver::untouched_target(Vaddr target) {
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
