#include "backend/emit/cfa_program.h"

#include "backend/emit/pointer_encoding.h"

namespace punster {
namespace {

// Instructions whose low six bits are an operand have their two high bits set.
enum : std::uint8_t {
  cfa_advance_loc = 0x40,
  cfa_offset = 0x80,
  cfa_restore = 0xc0,
  cfa_nop = 0x00,
  cfa_set_loc = 0x01,
  cfa_advance_loc1 = 0x02,
  cfa_advance_loc2 = 0x03,
  cfa_advance_loc4 = 0x04,
  cfa_offset_extended = 0x05,
  cfa_restore_extended = 0x06,
  cfa_undefined = 0x07,
  cfa_same_value = 0x08,
  cfa_register = 0x09,
  cfa_remember_state = 0x0a,
  cfa_restore_state = 0x0b,
  cfa_def_cfa = 0x0c,
  cfa_def_cfa_register = 0x0d,
  cfa_def_cfa_offset = 0x0e,
  cfa_def_cfa_expression = 0x0f,
  cfa_expression = 0x10,
  cfa_offset_extended_sf = 0x11,
  cfa_def_cfa_sf = 0x12,
  cfa_def_cfa_offset_sf = 0x13,
  cfa_val_offset = 0x14,
  cfa_val_offset_sf = 0x15,
  cfa_val_expression = 0x16,
  cfa_gnu_args_size = 0x2e,
};

}  // namespace

std::optional<CfaOp> CfaProgram::next() {
  if (reader_.at_end()) return std::nullopt;
  const auto start = reader_.position();
  CfaOp op;
  read(op, reader_.next<std::uint8_t>());
  if (!reader_.ok()) return std::nullopt;
  if (op.kind != CfaKind::advance && op.kind != CfaKind::set_location)
    op.bytes = bytes_.subspan(start, reader_.position() - start);
  return op;
}

std::int64_t CfaProgram::factored(bool is_signed) {
  const auto number = is_signed ? static_cast<std::uint64_t>(reader_.sleb()) : reader_.uleb();
  return static_cast<std::int64_t>(number * static_cast<std::uint64_t>(data_alignment_));
}

void CfaProgram::read(CfaOp& op, std::uint8_t code) {
  switch (code & 0xc0) {
    case cfa_advance_loc:
      op.kind = CfaKind::advance;
      op.operand = code & 0x3f;
      return;
    case cfa_offset:
      op.kind = CfaKind::rule;
      op.reg = code & 0x3f;
      reader_.uleb();
      return;
    case cfa_restore:
      op.kind = CfaKind::initial_rule;
      op.reg = code & 0x3f;
      return;
    default:
      break;
  }
  switch (code) {
    case cfa_nop:
      return;
    case cfa_set_loc: {
      op.kind = CfaKind::set_location;
      const auto address = read_pointer(reader_, encoding_, Vaddr{});
      if (!address) reader_.fail();
      op.operand = address.value_or(Vaddr{}).value;
      return;
    }
    case cfa_advance_loc1:
      op.kind = CfaKind::advance;
      op.operand = reader_.next<std::uint8_t>();
      return;
    case cfa_advance_loc2:
      op.kind = CfaKind::advance;
      op.operand = reader_.next<std::uint16_t>();
      return;
    case cfa_advance_loc4:
      op.kind = CfaKind::advance;
      op.operand = reader_.next<std::uint32_t>();
      return;
    case cfa_offset_extended:
    case cfa_register:
    case cfa_val_offset:
    case cfa_offset_extended_sf:
    case cfa_val_offset_sf:
      op.kind = CfaKind::rule;
      op.reg = reader_.uleb();
      reader_.uleb();  // signed ones have the same length
      return;
    case cfa_restore_extended:
      op.kind = CfaKind::initial_rule;
      op.reg = reader_.uleb();
      return;
    case cfa_undefined:
    case cfa_same_value:
      op.kind = CfaKind::rule;
      op.reg = reader_.uleb();
      return;
    case cfa_remember_state:
      op.kind = CfaKind::remember;
      return;
    case cfa_restore_state:
      op.kind = CfaKind::restore;
      return;
    case cfa_def_cfa:
    case cfa_def_cfa_sf:
      op.kind = CfaKind::def_cfa;
      op.reg = reader_.uleb();
      op.offset = code == cfa_def_cfa ? static_cast<std::int64_t>(reader_.uleb()) : factored(true);
      return;
    case cfa_def_cfa_register:
      op.kind = CfaKind::def_register;
      op.reg = reader_.uleb();
      return;
    case cfa_def_cfa_offset:
      op.kind = CfaKind::def_offset;
      op.offset = static_cast<std::int64_t>(reader_.uleb());
      return;
    case cfa_def_cfa_offset_sf:
      op.kind = CfaKind::def_offset;
      op.offset = factored(true);
      return;
    case cfa_def_cfa_expression:
      op.kind = CfaKind::def_expression;
      op.block = reader_.take(reader_.uleb());
      return;
    case cfa_expression:
    case cfa_val_expression:
      op.kind = CfaKind::rule;
      op.reg = reader_.uleb();
      op.block = reader_.take(reader_.uleb());
      return;
    case cfa_gnu_args_size:
      reader_.uleb();
      return;
    default:
      reader_.fail();
  }
}

namespace {

// Operations of DWARF expressions, the ones whose result depends only on registers and memory.
enum : std::uint8_t {
  op_const1u = 0x08,
  op_consts = 0x11,
  op_pick = 0x15,
  op_plus_uconst = 0x23,
  op_bra = 0x28,
  op_skip = 0x2f,
  op_lit0 = 0x30,
  op_lit31 = 0x4f,
  op_breg0 = 0x70,
  op_breg15 = 0x7f,
  op_deref_size = 0x94,
  op_nop = 0x96,
};

// How many bytes stand behind an operation; nothing for LEB128.
std::optional<unsigned> operand_bytes(std::uint8_t op) {
  static constexpr unsigned constant[] = {1, 1, 2, 2,
                                          4, 4, 8, 8};  // const1u, const1s, const2u, ...
  if (op >= op_const1u && op < op_const1u + 8) return constant[op - op_const1u];
  if (op == 0x10 || op == op_consts || op == op_plus_uconst) return std::nullopt;
  if (op >= op_breg0 && op <= op_breg15) return std::nullopt;
  if (op == op_pick || op == op_deref_size) return 1;
  if (op == op_bra || op == op_skip) return 2;
  return 0;
}

bool is_known(std::uint8_t op) {
  constexpr std::uint8_t op_deref = 0x06, op_dup = 0x12, op_xderef = 0x18;
  return op == op_deref || (op >= op_const1u && op <= op_consts) ||
         (op >= op_dup && op <= op_lit31 && op != op_xderef) ||
         (op >= op_breg0 && op <= op_breg15) || op == op_deref_size || op == op_nop;
}

}  // namespace

bool depends_on_address(std::span<const std::uint8_t> expression) {
  ByteReader reader(expression, Vaddr{});
  while (!reader.at_end()) {
    const auto op = reader.next<std::uint8_t>();
    if (!is_known(op)) return true;
    if (const auto size = operand_bytes(op))
      reader.take(*size);
    else
      reader.uleb();
  }
  return !reader.ok();
}

std::optional<std::uint8_t> linkage_table(std::span<const std::uint8_t> expression) {
  static constexpr std::uint8_t known[] = {0x77, 8,     // breg7 (rsp) + 8
                                           0x80, 0,     // breg16 (rip) + 0
                                           0x3f, 0x1a,  // lit15, and
                                           0x00, 0x2a,  // lit n, ge
                                           0x33, 0x24,  // lit3, shl
                                           0x22};       // plus
  constexpr std::size_t hole = 6;
  constexpr std::uint8_t lit0 = 0x30, lit15 = 0x3f;
  if (expression.size() != std::size(known)) return std::nullopt;
  for (std::size_t i = 0; i < std::size(known); ++i)
    if (i != hole && expression[i] != known[i]) return std::nullopt;
  if (expression[hole] < lit0 || expression[hole] > lit15) return std::nullopt;
  return static_cast<std::uint8_t>(expression[hole] - lit0);
}

}  // namespace punster
