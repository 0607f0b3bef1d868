// The static oracle: is this rewritten file a faithful rewriting of that original?
//
// Written apart from everything that makes such files (no header of the backend is seen here), so
// that a fault in the solver and a fault in the proof would have to agree to go unnoticed.
// README.md in this directory says what is proven and what is assumed.

#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/instruction.h"
#include "protocol/result.h"

namespace punster {

/// What the caller knows about the original's code. Plain data: the verifier trusts the instruction
/// starts (every one stays reachable by an indirect branch) and nothing else about them.
struct CodeKnowledge {
  std::span<const Insn>
      instructions;  ///< ascending and disjoint; empty: only those of the site file
  std::span<const AddressRange> untouchable;  ///< data and doubt; ascending, disjoint
  std::span<const AddressRange> padding;      ///< never executed, never read; ascending, disjoint
};

struct VerifyRequest {
  std::filesystem::path original, patched;
  /// A file of JSON lines as `punster patch --sites` writes them. A line may carry what happens
  /// instead of the instruction: `"replaced":"9090"`, other bytes (the rest of it becomes NOPs);
  /// `"jump":"0x1234"`, where the trampoline goes; `"exit":3`, the status the program ends with.
  std::optional<std::filesystem::path> sites;
  CodeKnowledge code;
  unsigned jobs = 2;                  ///< threads; never changes the report
  std::size_t failures_listed = 100;  ///< the first so many, by address; all are counted
};

struct VerifyFailure {
  Vaddr address;        ///< link-time address concerned; 0 when the fault has none
  std::string kind;     ///< stable: "wrong_return", "data_changed", "no_sites", ... (README.md)
  std::string message;  ///< one sentence with the addresses and bytes concerned
};

struct VerifyReport {
  std::uint64_t sites = 0;  ///< changed instruction starts, and sites that only the site file names
  std::uint64_t proven = 0;  ///< of `sites`, those whose every path was proven; traps included
  std::uint64_t jumps = 0, calls = 0, traps = 0, replaced = 0;  ///< the proven ones by their shape
  std::uint64_t evicted = 0;  ///< of `proven`, those that the site file lists as evicted only
  std::uint64_t with_payload =
      0;                        ///< of `proven`, those with code before the displaced instruction
  std::uint64_t untouched = 0;  ///< instruction starts whose bytes are those of the original
  std::uint64_t changed_bytes = 0;
  std::uint64_t mappings = 0, trampoline_pages = 0, overlay_pages = 0;
  std::uint64_t failure_count = 0;
  std::map<std::string, std::uint64_t> failures_by_kind;
  std::vector<VerifyFailure> failures;  ///< by address, at most `failures_listed`
  [[nodiscard]] bool ok() const { return failure_count == 0; }
};

/// Proves `patched` against `original`. Linear in the size of the code.
/// Everything wrong with the patched file is a failure in the report, "no patched site found"
/// (kind "no_sites") among them; errors are for what cannot be read: kinds "unreadable", "not_elf",
/// "malformed" (the original), "bad_site_file" (with the line).
Result<VerifyReport> verify(const VerifyRequest& request);

}  // namespace punster
