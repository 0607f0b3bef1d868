// The call frame information of the input: which functions there are, and the program that says,
// for each of their addresses, where the caller's frame is.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/emit/elf_view.h"

namespace punster {

/// Who handles exceptions in a function.
struct Personality {
  Vaddr address;          ///< of the routine,
  bool indirect = false;  ///< or of a word that holds its address
};

/// What FDEs have in common. Its code alignment factor is already multiplied out: see
/// CfaOp::advance.
struct FrameCommon {
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint64_t return_column = 16;       ///< DWARF number of the return address' pseudo register
  bool signal_frame = false;              ///< the frame of a signal handler's caller
  std::span<const std::uint8_t> program;  ///< what holds at the first address of every FDE
  std::optional<Personality> personality;
  std::uint8_t lsda_encoding = 0xff;  ///< of FrameEntry::lsda; 0xff: there are none
  std::uint8_t pointer_encoding = 0;  ///< of addresses in its FDEs' programs (DW_EH_PE_*)
};

/// One function, or a part of one.
struct FrameEntry {
  AddressRange range;
  std::uint32_t common = 0;               ///< index into CallFrames::commons
  std::span<const std::uint8_t> program;  ///< see CfaProgram
  Vaddr program_address;                  ///< of its first byte
  std::optional<Vaddr> lsda;              ///< what its personality routine reads
};

struct CallFrames {
  std::vector<FrameCommon> commons;
  std::vector<FrameEntry> entries;  ///< ascending, disjoint; of overlapping ones the first
  /// What is wrong with the table; then `entries` is empty: who says one wrong thing is not
  /// believed the rest. Empty: nothing.
  std::string damage;
};

/// Reads .eh_frame, found by its section name, else through PT_GNU_EH_FRAME. Nothing in it is
/// trusted; spans point into the file. Entries of forms that nobody writes for x86-64 are left out
/// without further notice. O(n log n).
[[nodiscard]] CallFrames read_call_frames(const ElfView& input);

}  // namespace punster
