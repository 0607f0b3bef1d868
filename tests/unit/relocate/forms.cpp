#include "tests/unit/relocate/forms.h"

#include <initializer_list>
#include <set>

namespace punster::test {
namespace {

using List = std::initializer_list<std::uint8_t>;

bool zydis_encodes(const Decoded& d) {
  ZydisEncoderRequest request;
  std::array<std::uint8_t, 15> out;
  ZyanUSize size = out.size();
  return ZYAN_SUCCESS(ZydisEncoderDecodedInstructionToEncoderRequest(
             &d.insn, d.operands, d.insn.operand_count_visible, &request)) &&
         ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, out.data(), &size));
}

class Collector {
 public:
  Collector() { ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }

  /// `start`, then zeros for a displacement and ones for everything else.
  void try_memory(const std::vector<std::uint8_t>& start) {
    take(start, [](const Decoded& d) { return d.insn.raw.disp.size == 32; });
  }
  void try_branch(const std::vector<std::uint8_t>& start) {
    take(start, [](const Decoded& d) {
      return d.insn.raw.imm[0].is_relative || d.is(ZYDIS_MNEMONIC_CALL) || d.is(ZYDIS_MNEMONIC_JMP);
    });
  }
  [[nodiscard]] std::vector<Form> forms() && { return std::move(forms_); }

 private:
  template <typename Wanted>
  void take(const std::vector<std::uint8_t>& start, Wanted wanted) {
    Form form;
    if (start.size() + 4 > form.bytes.size()) return;
    form.bytes.fill(1);
    std::copy(start.begin(), start.end(), form.bytes.begin());
    std::fill_n(form.bytes.begin() + static_cast<std::ptrdiff_t>(start.size()), 4, std::uint8_t{0});
    Decoded d;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, form.bytes.data(), form.bytes.size(),
                                             &d.insn, d.operands)) ||
        !wanted(d) || !seen_.insert(key_of(d)).second)
      return;
    form.length = d.insn.length;
    form.encoding = d.insn.encoding;
    const auto& relative = d.insn.raw.imm[0];
    if (relative.is_relative) {
      form.displacement = relative.offset;
      form.displacement_bytes = relative.size / 8;
      form.branch = true;
    } else if (d.insn.raw.disp.size != 0) {
      form.displacement = d.insn.raw.disp.offset;
      form.displacement_bytes = 4;
    }
    form.encodable = zydis_encodes(d);
    forms_.push_back(form);
  }

  /// What makes a form.
  static std::vector<std::uint64_t> key_of(const Decoded& d) {
    const auto& i = d.insn;
    std::vector<std::uint64_t> key{i.mnemonic,        i.encoding,          i.opcode_map,
                                   i.opcode,          i.attributes,        i.operand_width,
                                   i.address_width,   i.avx.vector_length, i.avx.broadcast.mode,
                                   i.avx.mask.mode,   i.avx.mask.reg,      i.avx.rounding.mode,
                                   i.raw.prefix_count};
    for (unsigned n = 0; n < i.operand_count; ++n) {
      const auto& o = d.operands[n];
      key.insert(key.end(),
                 {o.type, o.size, o.element_size, o.element_type, o.actions, o.encoding});
    }
    return key;
  }

  ZydisDecoder decoder_;
  std::set<std::vector<std::uint64_t>> seen_;
  std::vector<Form> forms_;
};

const std::vector<std::vector<std::uint8_t>> legacy_prefixes = {
    {},           {0x66},       {0xf2},       {0xf3},       {0xf0},      {0x67},
    {0x66, 0xf2}, {0x66, 0xf3}, {0x66, 0xf0}, {0xf2, 0xf0}, {0xf3, 0xf0}};

std::vector<std::uint8_t> joined(std::vector<std::uint8_t> a, List b) {
  a.insert(a.end(), b);
  return a;
}

std::uint8_t rip_modrm(unsigned reg) {
  return static_cast<std::uint8_t>(reg << 3 | 5);
}
std::uint8_t byte(unsigned value) {
  return static_cast<std::uint8_t>(value);
}

void legacy(Collector& out) {
  for (const auto& prefixes : legacy_prefixes)
    for (const bool wide : {false, true}) {
      const auto start = wide ? joined(prefixes, {0x48}) : prefixes;
      for (unsigned opcode = 0; opcode < 256; ++opcode)
        for (unsigned reg = 0; reg < 8; ++reg) {
          out.try_memory(joined(start, {byte(opcode), rip_modrm(reg)}));
          for (const auto& escape :
               {joined(start, {0x0f}), joined(start, {0x0f, 0x38}), joined(start, {0x0f, 0x3a})})
            out.try_memory(joined(escape, {byte(opcode), rip_modrm(reg)}));
        }
    }
  // 3DNow! has its opcode behind the displacement.
  for (unsigned opcode = 0; opcode < 256; ++opcode)
    out.try_memory({0x0f, 0x0f, rip_modrm(0), 0, 0, 0, 0, byte(opcode)});
}

void vex_and_xop(Collector& out) {
  for (const auto& [first, maps] :
       {std::pair(0xc4U, std::pair(1U, 3U)), std::pair(0x8fU, std::pair(8U, 10U))})
    for (unsigned map = maps.first; map <= maps.second; ++map)
      for (unsigned w_l_pp = 0; w_l_pp < 16; ++w_l_pp)
        for (unsigned opcode = 0; opcode < 256; ++opcode)
          for (unsigned reg = 0; reg < 8; ++reg) {
            const auto last = byte((w_l_pp & 8) << 4 | 0x78 | (w_l_pp & 7));
            out.try_memory({byte(first), byte(0xe0 | map), last, byte(opcode), rip_modrm(reg)});
            if (w_l_pp == 0)
              out.try_memory(
                  {0x67, byte(first), byte(0xe0 | map), last, byte(opcode), rip_modrm(reg)});
          }
}

void evex(Collector& out) {
  for (const unsigned map : {1U, 2U, 3U, 5U, 6U})
    for (unsigned w_pp = 0; w_pp < 8; ++w_pp)
      for (unsigned length = 0; length < 3; ++length)
        for (const unsigned decoration :
             {0x00U, 0x01U, 0x81U, 0x10U, 0x11U, 0x91U})  // z, broadcast, mask
          for (unsigned opcode = 0; opcode < 256; ++opcode)
            for (unsigned reg = 0; reg < 8; ++reg)
              out.try_memory({0x62, byte(0xf0 | map), byte((w_pp & 4) << 5 | 0x7c | (w_pp & 3)),
                              byte(decoration | length << 5 | 8), byte(opcode), rip_modrm(reg)});
}

}  // namespace

std::vector<Form> rip_relative_forms() {
  Collector out;
  legacy(out);
  vex_and_xop(out);
  evex(out);
  return std::move(out).forms();
}

std::vector<Form> branch_forms() {
  static constexpr std::uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e};
  std::vector<std::vector<std::uint8_t>> starts{{}};
  for (const auto one : prefixes) {
    starts.push_back({one});
    for (const auto other : prefixes) starts.push_back({one, other});
  }
  const auto plain = starts;
  for (const unsigned rex : {0x40U, 0x41U, 0x48U, 0x4fU})
    for (const auto& start : plain) starts.push_back(joined(start, {byte(rex)}));

  Collector out;
  for (const auto& start : starts) {
    for (unsigned low = 0; low < 16; ++low) {
      out.try_branch(joined(start, {byte(0x70 | low)}));
      out.try_branch(joined(start, {0x0f, byte(0x80 | low)}));
      out.try_branch(
          joined(start, {byte(0xe0 | low)}));  // loops, jcxz, call, jmp; others are no branches
    }
    for (const unsigned operation : {2U, 3U, 4U, 5U})
      for (unsigned reg = 0; reg < 8; ++reg)
        out.try_branch(joined(start, {0xff, byte(0xc0 | operation << 3 | reg)}));
    out.try_branch(joined(start, {0xc7, 0xf8}));  // xbegin
  }
  for (unsigned opcode = 0; opcode < 256; ++opcode)  // Knights Corner's
    for (const unsigned last : {0x78U, 0x79U, 0xf8U, 0xf9U})
      out.try_branch({0xc5, byte(last), byte(opcode)});
  return std::move(out).forms();
}

}  // namespace punster::test
