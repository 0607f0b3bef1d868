// Recursive descent: from addresses that are certainly code along direct flow to all that follow.

#pragma once

#include <array>
#include <functional>

#include "frontend/image/claims.h"

namespace punster {

/// An address that proven code computes without accessing it: `lea target(%rip)`.
struct TakenAddress {
  Vaddr from, target;
};

/// An address that may be code; trials decide. See trial.h.
struct Hint {
  Vaddr address;
  Evidence evidence;
};

/// What descent meets on its way and leaves to others.
struct Findings {
  std::vector<TakenAddress> taken;
  std::vector<Vaddr> indirect_jumps;  // not yet looked at
  std::vector<Hint> hints;
  /// How often each form occurs in proven code: the statistics that likelihood.h judges with.
  std::array<std::uint32_t, form_count> forms{};
  std::uint64_t instructions = 0, claimed_bytes = 0;
};

class Descent {
 public:
  /// `tick` is called now and then, for progress; may be empty.
  Descent(Claims& claims, Findings& findings, std::function<void()> tick)
      : claims_(claims), findings_(findings), tick_(std::move(tick)) {}

  void add(Vaddr address, Evidence evidence) { work_.push_back({address, evidence}); }
  /// Follows everything added so far. Paths stop at what is known and at the end of a function whose
  /// last call does not return. A path that runs into what does not decode becomes doubt, back to its
  /// last call.
  void run();
  /// Claims one instruction and notes what it refers to. Precondition: there is room.
  void claim(const Spot& spot, const FlowInfo& info, Evidence evidence);

 private:
  void follow(Spot spot, Evidence evidence);
  void note_access(const Spot& spot, const FlowInfo& info);
  void settle_overlap(const Spot& spot, unsigned length);

  Claims& claims_;
  Findings& findings_;
  std::function<void()> tick_;
  std::vector<Hint> work_;
  std::vector<Vaddr> targets_;  // of the path being followed
};

}  // namespace punster
