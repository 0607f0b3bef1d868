// The proof of one changed instruction start: everything that can happen there now is what happened
// in the original, perhaps after a payload.

#pragma once

#include <string>
#include <utility>

#include "frontend/verify/code_model.h"

namespace punster {

/// What is known to be asked for at a start.
struct Demand {
  bool payload_allowed = true;         ///< false: only evicted, nothing may run before it
  std::optional<Vaddr> jump;           ///< go there instead of running the instruction
  std::optional<std::string> instead;  ///< run these bytes instead of the instruction
  std::optional<std::int64_t> exit;    ///< end the program with this status instead
};

struct Fault {
  const char* kind = "";
  std::string message;
};

struct Proof {
  std::optional<Fault> fault;  ///< nothing: proven
  bool has_payload = false;
};

/// Not thread-safe; any number may read the same model.
class SiteProver {
 public:
  explicit SiteProver(const CodeModel& model);

  /// Precondition: `start.shape` is jump, call or trap.
  [[nodiscard]] Proof prove(const ChangedStart& start, const Demand& demand = {});

 private:
  // A claim "executing at `run` does what the original does from `original` on".
  struct Claim {
    Vaddr original, run;
    friend bool operator==(const Claim&, const Claim&) = default;
  };
  enum class Edge : std::uint8_t { next, target };

  Proof attempt(const ChangedStart& start, const Demand& demand);

  std::optional<Fault> displaced_at(const ChangedStart& start, Vaddr run, const Demand& demand);
  std::optional<Fault> asked_for_at(const ChangedStart& start, Vaddr run, const Demand& demand);
  std::optional<Fault> instead_at(Vaddr next, Vaddr run, const std::string& bytes);
  std::optional<Fault> instruction_at(Claim claim, bool pushed, int depth);
  std::optional<Fault> branch_at(Claim claim, const Decoded& original, int depth);
  std::optional<Fault> call_at(Claim claim, Vaddr next, bool pushed, int depth);
  std::optional<Fault> reaches(Claim claim, Edge edge, int depth);
  std::optional<Fault> untouched_target(Vaddr original);

  /// `text()` is the message, built only when it will be shown: most faults are attempts that
  /// another one makes good.
  template <typename Text>
  Fault fault(const char* kind, const Text& text) const {
    return {kind, explaining_ ? text() : std::string()};
  }

  const CodeModel& model_;
  CodeReader original_, patched_;
  bool explaining_ = false;
  std::vector<Claim>
      assumed_;  // of the proof under way: each consumed an instruction before it recurs
};

}  // namespace punster
