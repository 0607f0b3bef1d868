#include "frontend/match/code_writer.h"

#include <cassert>
#include <charconv>
#include <cstring>
#include <limits>

namespace punster {

void CodeWriter::int32(std::int64_t value) {
  const auto low = static_cast<std::uint32_t>(value);
  for (unsigned shift = 0; shift < 32; shift += 8) code_.push_back(low >> shift & 0xff);
}

void CodeWriter::int64(std::int64_t value) {
  int32(value);
  int32(value >> 32);
}

void CodeWriter::push(Gpr reg) {
  if (reg >= r8) bytes({0x41});
  bytes({0x50u + (reg & 7)});
}

void CodeWriter::pop(Gpr reg) {
  if (reg >= r8) bytes({0x41});
  bytes({0x58u + (reg & 7)});
}

void CodeWriter::move_constant(Gpr to, std::int64_t value) {
  const unsigned extension = to >= r8 ? 1 : 0;
  if (value >= 0 && value <= std::numeric_limits<std::uint32_t>::max()) {  // mov $imm32, %r32
    if (extension != 0) bytes({0x41});
    bytes({0xb8u + (to & 7)});
    int32(value);
  } else if (value >= std::numeric_limits<std::int32_t>::min() && value < 0) {
    bytes({0x48 + extension, 0xc7, 0xc0u + (to & 7)});  // mov $imm32, %r64, sign-extended
    int32(value);
  } else {
    bytes({0x48 + extension, 0xb8u + (to & 7)});  // movabs
    int64(value);
  }
}

void CodeWriter::move(Gpr to, Gpr from) {
  bytes({0x48u + (to >= r8 ? 4 : 0) + (from >= r8 ? 1 : 0), 0x8b,
         0xc0u + ((to & 7u) << 3) + (from & 7u)});
}

void CodeWriter::place(unsigned reg, const Place& p) {
  const unsigned field = (reg & 7) << 3;
  const bool sib = p.has_index || (p.base & 7) == rsp;
  const bool none = p.displacement == 0 && (p.base & 7) != rbp;
  const bool small = p.displacement >= -128 && p.displacement < 128;
  const unsigned mod = none ? 0 : small ? 0x40 : 0x80;
  bytes({mod + field + (sib ? 4u : p.base & 7u)});
  if (sib) {
    const unsigned scale = p.scale == 8 ? 3 : p.scale == 4 ? 2 : p.scale == 2 ? 1 : 0;
    bytes({(scale << 6) + ((p.has_index ? p.index & 7u : 4u) << 3) + (p.base & 7u)});
  }
  if (none) return;
  if (small)
    bytes({static_cast<std::uint8_t>(p.displacement)});
  else
    int32(p.displacement);
}

void CodeWriter::with_place(std::initializer_list<unsigned> prefixes, bool wide,
                            std::initializer_list<unsigned> opcode, unsigned reg, const Place& p) {
  assert(!p.has_index || p.index != rsp);
  bytes(prefixes);
  const unsigned rex = (wide ? 8u : 0u) + ((reg & 8) != 0 ? 4u : 0u) +
                       (p.has_index && p.index >= r8 ? 2u : 0u) + (p.base >= r8 ? 1u : 0u);
  if (rex != 0) bytes({0x40 + rex});
  bytes(opcode);
  place(reg, p);
}

void CodeWriter::load(Gpr to, const Place& from) {
  with_place({}, true, {0x8b}, to, from);
}
void CodeWriter::store(const Place& to, Gpr from) {
  with_place({}, true, {0x89}, from, to);
}
void CodeWriter::lea(Gpr to, const Place& of, bool wide) {
  with_place({}, wide, {0x8d}, to, of);
}

void CodeWriter::lea_of(Gpr to, Json target) {
  bytes({0x48u + (to >= r8 ? 4 : 0), 0x8d, 0x05u + ((to & 7u) << 3)});
  rel32(std::move(target));
}

void CodeWriter::move_stack(std::int32_t bytes) {
  lea(rsp, {rsp, bytes});
}

void CodeWriter::load_signed(Gpr to, const Place& from, unsigned size, unsigned segment) {
  if (segment != 0) bytes({segment});
  if (size == 8) return load(to, from);
  if (size == 4) return with_place({}, true, {0x63}, to, from);        // movslq
  if (size == 2) return with_place({}, true, {0x0f, 0xbf}, to, from);  // movswq
  with_place({}, true, {0x0f, 0xbe}, to, from);                        // movsbq
}

Json address_value(Vaddr address) {
  if (address.value < 1ull << 53) return address.value;
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, address.value, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace punster
