// What stands at a changed instruction start now, and where it leads.

#pragma once

#include <optional>
#include <vector>

#include "frontend/verify/code_model.h"
#include "frontend/verify/site_proof.h"

namespace punster {

/// One thread's classifier.
class ShapeReader {
 public:
  explicit ShapeReader(const CodeModel& model)
      : model_(model), original_(*model.original), patched_(*model.patched) {}

  struct Reading {
    ChangedStart start;
    std::optional<Fault> fault;
  };
  /// `replaced`: the bytes that are asked for in place of the instruction, or nullptr.
  [[nodiscard]] Reading read(Insn insn, const std::string* replaced);

  /// The bytes that the jumps seen so far consist of, as far as they stand in the image:
  /// instruction tails, borrowed bytes and landing pads.
  [[nodiscard]] std::vector<AddressRange> take_jump_bytes() { return std::move(jump_bytes_); }

 private:
  std::optional<Fault> follow(ChangedStart& start, const JumpHop& first);
  [[nodiscard]] bool is_replacement(Insn insn, const std::string& bytes);

  const CodeModel& model_;
  CodeReader original_, patched_;
  std::vector<AddressRange> jump_bytes_;
};

/// Whether `code` begins with the trap `kind` (enum PunsterTrapKind) for an instruction of `length`
/// bytes. Of ud2, any byte that is undefined in 64-bit mode and fetches nothing further will do.
[[nodiscard]] bool is_trap(Code code, unsigned length, std::uint32_t kind);

}  // namespace punster
