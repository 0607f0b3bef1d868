// Problem: a program that stops inside a trampoline (a breakpoint, a fault, a profiler's sample)
// stands at an address of which no table says where the caller's frame is. Debuggers then guess,
// wrongly for code without frame pointers, and profilers end the call chain there.
//
// Bodies do not change the frame: the displaced instruction does to the stack what it did at its
// own place. So the original's rows are right for them, at other times. Bodies of one function
// stand in code order in one contiguous range, hence:
//
//   original FDE    [lo, hi)               rows change at L1 < L2 < ...
//   ours            [first body, last end) the same instructions, changes re-timed to T(L1) <=
//   T(L2) ...
//
//   T(L) = the body of the first site at or behind L
//          (whoever runs it, and nobody who runs a body before it, has passed L)
//        = where the way back begins in the body of the site before, when that site ends exactly at
//        L (a chained body has none: that is the next body again)
//
// Nothing is interpreted, so registers, expressions and remembered states come along whatever they
// mean, and the cost is per row of the original, not per site: rows between two sites fall
// together. Measured: see README.md.
//
// Three things do need a look at the frame's address (CFA):
//
// 1. A displaced call: its return address is pushed before the body ends; before it begins, when
// the
//    site is a retargeted call. While the CFA is counted from rsp it is 8 further from there on.
//    Two rows per such call, 5 or 6 bytes.
// 2. The procedure linkage table: all linkers describe it by one expression of the program counter,
//    "rsp + 8, and 8 more in the second half of each 16 bytes". Recognised and written out as rows.
// 3. Other expressions of the program counter mean something else in a body: such functions are
// left out.
//
// Stubs, and other code far from its function, are described one by one: scattered_rows.h.
//
// What is not described: that a payload moves rsp for its own needs (count and print do); the NOPs
// where the payload of a site without a jump would stand; landing pads, which stand in the code of
// other functions, or of the same one with another frame. Backtraces from there are the debugger's
// guess.
//
// For debuggers the section is .debug_frame: it is not loaded, and costs nothing at run time. The
// program itself seldom needs rows: displaced calls push original return addresses, so its own
// unwinder, which passes frames only at calls, meets a trampoline only when a signal's handler
// throws, is cancelled, or asks for a backtrace. For that, process_frames.h.

#include "backend/emit/unwind_rows.h"

#include "backend/emit/cfa_program.h"
#include "backend/emit/handler_tables.h"
#include "backend/emit/scattered_rows.h"

namespace punster {
namespace {

/// The CFA, as far as it is known to be a register plus an offset.
struct Cfa {
  enum class Form : std::uint8_t { unknown, plain, linkage_table } form = Form::unknown;
  std::uint64_t reg = 0;
  std::int64_t offset = 0;
  std::uint8_t second_half = 0;  ///< linkage_table: where it begins in each 16 bytes
};

/// Writes the rows of one function's bodies.
class Retiming {
 public:
  Retiming(const FrameEntry& entry, const FrameCommon& common, const BodyList& bodies,
           std::size_t first, std::size_t last, FrameWriter& out)
      : entry_(entry), common_(common), bodies_(bodies), next_(first), last_(last), out_(out) {
    body_ = bodies.at(first);
    now_ = body_.body;
    const auto end = bodies.at(last - 1);
    end_ = end.body + Bytes{end.size};
  }

  /// False when these rows cannot be carried over; then what was written is to be thrown away.
  bool run() {
    CfaProgram initial(common_.program, Vaddr{}, common_.data_alignment, common_.pointer_encoding);
    while (const auto op = initial.next()) {
      if (op->kind == CfaKind::advance || op->kind == CfaKind::set_location) return false;
      if (!follow(*op)) return false;
    }
    if (!initial.sound()) return false;
    CfaProgram program(entry_.program, entry_.program_address, common_.data_alignment,
                       common_.pointer_encoding);
    while (const auto op = program.next())
      if (!instruction(*op)) return false;
    if (!program.sound()) return false;
    pass_bodies(entry_.range.hi);
    return true;
  }

 private:
  bool instruction(const CfaOp& op) {
    if (op.kind == CfaKind::advance || op.kind == CfaKind::set_location) {
      const Vaddr to = op.kind == CfaKind::advance
                           ? location_ + Bytes{op.operand * common_.code_alignment}
                           : Vaddr{op.operand};
      if (to < location_ || to > entry_.range.hi) return false;
      location_ = to;
      return true;
    }
    if (op.kind == CfaKind::nothing) return true;
    pass_bodies(location_);
    const bool table = op.kind == CfaKind::def_expression && linkage_table(op.block);
    if (!follow(op)) return false;
    if (now_ == end_) return true;
    if (table) {
      table_row(now_, location_);  // and from here on by pass_bodies, body by body
    } else {
      out_.copy(now_, op.bytes);
      table_offset_.reset();
    }
    return true;
  }

  /// Keeps `cfa_` up to date. False: an expression that a body cannot take over.
  bool follow(const CfaOp& op) {
    switch (op.kind) {
      case CfaKind::def_cfa:
        cfa_ = {Cfa::Form::plain, op.reg, op.offset, 0};
        return true;
      case CfaKind::def_register:
        cfa_.reg = op.reg;
        return true;
      case CfaKind::def_offset:
        cfa_.offset = op.offset;
        return true;
      case CfaKind::remember:
        remembered_.push_back(cfa_);
        return remembered_.size() < deepest;
      case CfaKind::restore:
        if (remembered_.empty()) return false;
        cfa_ = remembered_.back();
        remembered_.pop_back();
        return true;
      case CfaKind::def_expression:
        if (const auto half = linkage_table(op.block)) {
          cfa_ = {Cfa::Form::linkage_table, dwarf_rsp, 0, *half};
          table_offset_.reset();
          return true;
        }
        cfa_ = {};
        return !depends_on_address(op.block);
      case CfaKind::rule:
        return op.block.empty() || !depends_on_address(op.block);
      default:
        return true;
    }
  }

  /// Writes what happens within the bodies of sites before `location`, and sets `now_` to the time
  /// of that location.
  void pass_bodies(Vaddr location) {
    if (location == timed_) return;
    timed_ = location;
    std::optional<Vaddr> way_back;
    while (next_ < last_ && body_.original < location) {
      within(body_);
      way_back.reset();
      if (!body_.calls && body_.original + Bytes{body_.length} == location)
        way_back = body_.body + Bytes{body_.done};
      if (++next_ < last_) body_ = bodies_.at(next_);
    }
    now_ = way_back ? *way_back : next_ < last_ ? body_.body : end_;
  }

  void within(const BodyPlace& body) {
    if (cfa_.form == Cfa::Form::linkage_table) {
      table_row(body.body, body.original);
      if (body.done < body.size && !body.calls)
        table_row(body.body + Bytes{body.done}, body.original + Bytes{body.length});
    } else if (body.calls && cfa_.form == Cfa::Form::plain && cfa_.reg == dwarf_rsp &&
               cfa_.offset >= 0) {
      const auto offset = static_cast<std::uint64_t>(cfa_.offset);
      out_.def_cfa_offset(body.body + Bytes{body.done}, offset + return_address_bytes);
      const auto end = body.body + Bytes{body.size};
      if (end < end_) out_.def_cfa_offset(end, offset);
    }
  }

  void table_row(Vaddr at, Vaddr original) {
    const auto offset = linkage_table_offset(original, cfa_.second_half);
    if (table_offset_ == offset) return;
    out_.def_cfa(at, dwarf_rsp, offset);
    table_offset_ = offset;
  }

  static constexpr std::size_t deepest = 64;

  const FrameEntry& entry_;
  const FrameCommon& common_;
  const BodyList& bodies_;
  std::size_t next_, last_;
  FrameWriter& out_;
  BodyPlace body_;                    // bodies_.at(next_), while next_ < last_
  Vaddr location_ = entry_.range.lo;  // where the original's row begins
  Vaddr now_, end_;                   // where ours begins; where the last body ends
  Vaddr timed_ = entry_.range.lo;     // the location that now_ is the time of
  Cfa cfa_;
  std::optional<std::uint64_t> table_offset_;  // of the linkage table's row that was written last
  std::vector<Cfa> remembered_;
};

}  // namespace

RowCounts unwind_rows(const ElfView& input, const CallFrames& frames, const BodyList& bodies,
                      FrameWriter& out) {
  RowCounts rows;
  std::size_t k = 0;
  for (const auto& entry : frames.entries) {
    const auto first = body_at_or_behind(bodies, k, entry.range.lo);
    k = body_at_or_behind(bodies, first, entry.range.hi);
    if (first == k) continue;
    const auto& common = frames.commons[entry.common];
    std::optional<std::size_t> handlers;
    if (out.format() == FrameFormat::eh_frame && entry.lsda && common.personality) {
      handlers = add_handler_table(input, entry, {bodies, first, k}, out.handler_tables());
      if (!handlers) {  // rows without handlers would let exceptions pass
        ++rows.left_out;
        continue;
      }
    }
    const auto end = bodies.at(k - 1);
    out.begin_function(entry.common, common, bodies.at(first).body, handlers);
    const bool carried_over = Retiming(entry, common, bodies, first, k, out).run();
    carried_over ? out.end_function(end.body + Bytes{end.size}) : out.drop_function();
    ++(carried_over ? rows.functions : rows.left_out);
  }
  rows.scattered = scattered_rows(frames, bodies, out);
  return rows;
}

}  // namespace punster
