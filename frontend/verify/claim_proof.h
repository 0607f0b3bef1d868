// Claims: "executing memory at r does what the original does from o on". The essay stands at the
// top of claim_proof.cpp.

#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "frontend/verify/code_model.h"

namespace punster {

struct Fault {
  const char* kind = "";
  std::string message;
};

struct Claim {
  Vaddr original, run;
  friend bool operator==(const Claim&, const Claim&) = default;
};

/// How control comes to a claim's address; names the fault when the claim is wrong.
enum class Edge : std::uint8_t { next, target };

/// One thread's prover. It remembers what it has proven and refuted, so all claims of a file
/// together cost time linear in the file, however they are chained.
class ClaimProver {
 public:
  explicit ClaimProver(const CodeModel& model);

  /// Whether the displaced instruction of claim.original stands at claim.run, and all that can come
  /// after it stands for what came after it in the original. `pushed`: the return address of this
  /// call is on the stack already (C1).
  std::optional<Fault> displaced(Claim claim, bool pushed);
  /// Whether claim.run stands for claim.original.
  /// `at_entry`: claim.run is where the body under proof itself begins.
  std::optional<Fault> stands_for(Claim claim, Edge edge, bool at_entry = false);

  /// Whether the last proof accepted that an instruction without effect was left out.
  [[nodiscard]] bool left_out() const { return left_out_; }
  /// Whether faults carry messages. Most are of attempts that another one makes good.
  void explain(bool on) { explaining_ = on; }
  template <typename Text>
  Fault fault(const char* kind, const Text& text) const {
    return {kind, explaining_ ? text() : std::string()};
  }

 private:
  struct Hash {
    std::size_t operator()(const Claim& claim) const {
      return std::hash<std::uint64_t>()(claim.run.value * 0x9e3779b97f4a7c15u ^
                                        claim.original.value);
    }
  };
  static constexpr std::uint32_t nowhere = ~std::uint32_t{0};
  // A claim that is still to be settled.
  struct Exit {
    Claim claim;
    Edge edge = Edge::next;
    std::uint32_t from = nowhere;  // the exit whose copy it leaves
    bool copied = false;           // settled by a copy, at claim.run
    bool at_entry = false;
  };
  struct Refuted {
    std::unordered_map<Claim, std::uint32_t, Hash> by_claim;  // -> faults
    std::vector<Fault> faults;
  };

  void leave(Claim claim, Edge edge, std::uint32_t from) {
    exits_.push_back({claim, edge, from, false, false});
  }
  std::optional<Fault> settle_all();
  std::optional<Fault> settle(std::uint32_t index);
  void refute(std::uint32_t index, const Fault& fault);
  std::optional<Fault> copy_at(Claim claim, bool pushed, std::uint32_t from);
  std::optional<Fault> branch_at(Claim claim, const Decoded& original, std::uint32_t from);
  std::optional<Fault> call_at(Claim claim, Vaddr next, bool pushed, std::uint32_t from);
  std::optional<Fault> untouched_target(Vaddr original);
  bool twin_at(const ChangedStart& start, Vaddr run, std::uint32_t index);
  [[nodiscard]] std::optional<Vaddr> jump_from(Vaddr run);
  [[nodiscard]] bool jumps_to(Vaddr run, Vaddr original, bool behind_copy);
  Fault stands_for_something_else(const Exit& exit, Vaddr last);

  const CodeModel& model_;
  CodeReader original_, patched_;
  BodyFinder bodies_;
  bool explaining_ = false, left_out_ = false;
  std::vector<Exit> exits_;                 // of the proof under way
  std::unordered_set<Claim, Hash> proven_;  // copies; those of exits_ among them, on trial
  Refuted refuted_, explained_;             // copies; without and with messages
};

}  // namespace punster
