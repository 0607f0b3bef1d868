// The proof of one changed instruction start: everything that can happen there now is what happened
// in the original, perhaps after a payload.

#pragma once

#include <string>

#include "frontend/verify/claim_proof.h"

namespace punster {

/// What is known to be asked for at a start.
struct Demand {
  bool payload_allowed = true;         ///< false: only evicted, nothing may run before it
  std::optional<Vaddr> jump;           ///< go there instead of running the instruction
  std::optional<std::string> instead;  ///< run these bytes instead of the instruction
  std::optional<std::int64_t> exit;    ///< end the program with this status instead
  [[nodiscard]] bool in_place_of_it() const { return jump || instead || exit; }
};

struct Proof {
  std::optional<Fault> fault;  ///< nothing: proven
  bool has_payload = false;
  /// Where the payload, or the displaced instruction without one, begins; nothing when it is left
  /// out. No two starts may have the same.
  std::optional<Vaddr> body;
};

/// Not thread-safe; any number may read the same model.
class SiteProver {
 public:
  explicit SiteProver(const CodeModel& model);

  /// Precondition: `start.shape` is jump, call or trap.
  [[nodiscard]] Proof prove(const ChangedStart& start, const Demand& demand = {});

 private:
  Proof attempt(const ChangedStart& start, const Demand& demand);
  Proof after_payload(const ChangedStart& start, const Demand& demand, const Ways& ways,
                      Fault without);

  std::optional<Fault> displaced_at(const ChangedStart& start, Vaddr run, const Demand& demand);
  std::optional<Fault> asked_for_at(const ChangedStart& start, Vaddr run, const Demand& demand);
  std::optional<Fault> instead_at(Vaddr next, Vaddr run, const std::string& bytes);

  CodeReader patched_;
  ClaimProver claims_;
  BodyFinder bodies_;
  bool explaining_ = false;
};

}  // namespace punster
