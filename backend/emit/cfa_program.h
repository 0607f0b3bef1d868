// The little programs in CIEs and FDEs that say, address by address, where the caller's frame is
// (DWARF 5, section 6.4.2), one instruction at a time.

#pragma once

#include "backend/emit/byte_reader.h"

namespace punster {

/// What an instruction does, as far as re-timing has to know.
enum class CfaKind : std::uint8_t {
  advance,         ///< the rows so far end, and a row begins `operand` code units further
  set_location,    ///< the same, but the row begins at an address, encoded as FDEs encode theirs
  def_cfa,         ///< the frame is at register `reg` plus `offset`
  def_register,    ///< at register `reg`, the offset stays
  def_offset,      ///< at `offset`, the register stays
  def_expression,  ///< at what `block` computes
  remember,
  restore,
  rule,          ///< how to restore register `reg`; `block`, if any, computes it
  initial_rule,  ///< register `reg` is restored as at the function's first address
  nothing,       ///< padding, or of no meaning for unwinding
};

struct CfaOp {
  CfaKind kind = CfaKind::nothing;
  std::uint64_t operand = 0;
  std::uint64_t reg = 0;
  std::int64_t offset = 0;              ///< in bytes: factored ones are multiplied out
  std::span<const std::uint8_t> block;  ///< a DWARF expression
  std::span<const std::uint8_t>
      bytes;  ///< the whole instruction; empty for advance and set_location
};

class CfaProgram {
 public:
  /// `address`: of the program's first byte; `encoding`: of set_location's operand (DW_EH_PE_*).
  CfaProgram(std::span<const std::uint8_t> bytes, Vaddr address, std::int64_t data_alignment,
             std::uint8_t encoding)
      : reader_(bytes, address),
        bytes_(bytes),
        data_alignment_(data_alignment),
        encoding_(encoding) {}

  /// The next instruction; nothing at the end, and at what is damaged or unknown: then !sound().
  std::optional<CfaOp> next();
  [[nodiscard]] bool sound() const { return reader_.ok(); }

 private:
  void read(CfaOp& op, std::uint8_t code);
  std::int64_t factored(bool is_signed);

  ByteReader reader_;
  std::span<const std::uint8_t> bytes_;
  std::int64_t data_alignment_;
  std::uint8_t encoding_;
};

/// Whether a DWARF expression may give another value for another program counter, or uses an
/// operation that is not known not to.
[[nodiscard]] bool depends_on_address(std::span<const std::uint8_t> expression);

/// Where the second half of each 16 bytes begins, if this is the expression by which all linkers
/// describe the procedure linkage table: rsp + 8 + ((rip & 15) >= n) * 8.
[[nodiscard]] std::optional<std::uint8_t> linkage_table(std::span<const std::uint8_t> expression);

inline constexpr std::uint64_t dwarf_rsp = 7;  ///< its number
inline constexpr std::uint64_t return_address_bytes = 8;
/// How far the frame is from rsp at an address that a linkage table's expression describes.
[[nodiscard]] inline std::uint64_t linkage_table_offset(Vaddr address, std::uint8_t second_half) {
  return (address.value & 15) >= second_half ? 2 * return_address_bytes : return_address_bytes;
}

}  // namespace punster
