// Proving one start.
//
// A changed start s leads unconditionally, by jump, retargeted call or trap, to an entry e in a
// trampoline. To prove is the claim (s, e) of claim_proof.cpp, but for a payload in front:
//
//   body = payload | displaced instruction | what stands for each address that comes next
//
// Where a jump stands at the entry it may be a stub or the displaced instruction itself, which may
// be a jump too: bytes cannot tell, so both are tried. The payload ends at the first place where
// the rest can be proven; it is searched for only behind all stubs. It ends before the next body
// begins: in a row of chained bodies, a body whose displaced instruction was lost would else pass
// off its neighbours as its payload, up to the next `ret`.
//
// What may be left out: at the start itself, a displaced NOP or endbr (nothing to do). A displaced
// jump may not: two jumps at each other, both left out, would prove each other.

#include "frontend/verify/site_proof.h"

#include <algorithm>
#include <string_view>

#include "frontend/verify/payload.h"
#include "protocol/hex.h"

namespace punster {
namespace {

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
    : patched_(*model.patched), claims_(model), bodies_(model.entries) {}

Proof SiteProver::prove(const ChangedStart& start, const Demand& demand) {
  claims_.explain(explaining_ = false);
  Proof proof = attempt(start, demand);
  if (proof.fault) {
    claims_.explain(explaining_ = true);
    proof = attempt(start, demand);
  }
  return proof;
}

Proof SiteProver::attempt(const ChangedStart& start, const Demand& demand) {
  const Ways ways(start, patched_);
  std::optional<Fault> best;
  for (const Vaddr way : ways.all()) {
    auto fault = displaced_at(start, way, demand);
    const bool nothing = !demand.in_place_of_it() && claims_.left_out();
    if (!fault) return {{}, false, nothing ? std::nullopt : std::optional(way)};
    keep_better(best, std::move(fault));
  }
  if (!demand.payload_allowed) return {std::move(best), false, {}};
  return after_payload(start, demand, ways, std::move(*best));
}

Proof SiteProver::after_payload(const ChangedStart& start, const Demand& demand, const Ways& ways,
                                Fault without) {
  std::optional<Fault> best = std::move(without);
  const Vaddr body = ways.last();
  const PayloadLimits limits{bodies_.next_above(body, ways.all()), start.shape == Shape::call};
  const PayloadEnd end = end_of_payload(patched_, body, limits, [&](Vaddr at) {
    if (at == body) return false;  // tried already
    auto fault = displaced_at(start, at, demand);
    if (!fault) return true;
    keep_better(best, std::move(fault));
    return false;
  });
  if (end.found) return {{}, true, body};
  if (explaining_ && rank(*best) == 0 && !end.reason.empty())
    best->message += "; nor after a payload: " + end.reason;
  return {std::move(best), false, {}};
}

std::optional<Fault> SiteProver::displaced_at(const ChangedStart& start, Vaddr run,
                                              const Demand& demand) {
  if (demand.in_place_of_it()) return asked_for_at(start, run, demand);
  return claims_.displaced({start.insn.address(), run}, start.shape == Shape::call);
}

std::optional<Fault> SiteProver::asked_for_at(const ChangedStart& start, Vaddr run,
                                              const Demand& demand) {
  if (demand.exit) {
    if (ends_program(patched_, run, *demand.exit)) return std::nullopt;
    return claims_.fault("displaced_altered", [&] {
      return "at " + to_hex(run) + " the program does not end with status " +
             std::to_string(*demand.exit) + ": " + to_hex(patched_.at(run));
    });
  }
  if (start.shape == Shape::call)
    return claims_.fault("wrong_call_state", [] {
      return std::string("a return address was pushed, but the call is to be replaced");
    });
  if (demand.jump) return claims_.stands_for({*demand.jump, run}, Edge::target, true);
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
      return claims_.fault("displaced_altered", [&] {
        return "the asked-for bytes " + to_hex(left) + " do not stand at " + to_hex(run) + ": " +
               to_hex(code);
      });
    leaves = decoded && (decoded->flow == Flow::leaves || decoded->flow == Flow::jump);
    done += length;
    run = run + Bytes{length};
  }
  return leaves ? std::nullopt : claims_.stands_for({next, run}, Edge::next, bytes.empty());
}

}  // namespace punster
