// The few instructions that calls are made of, written as template language (protocol/PROTOCOL.md).

#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "protocol/address.h"
#include "protocol/messages.h"

namespace punster {

/// General registers by their number in encodings.
enum Gpr : std::uint8_t {
  rax,
  rcx,
  rdx,
  rbx,
  rsp,
  rbp,
  rsi,
  rdi,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15
};

/// Where a memory operand lies: base + index * scale + displacement.
struct Place {
  Gpr base = rsp;
  std::int32_t displacement = 0;
  bool has_index = false;
  Gpr index = rsp;  // not rsp where there is one
  std::uint8_t scale = 1;
};

class CodeWriter {
 public:
  void bytes(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) code_.push_back(byte);
  }
  void int32(std::int64_t value);
  void int64(std::int64_t value);
  /// An element of the template language as it is: "$break", ".Llabel".
  void element(Json element) { code_.push_back(std::move(element)); }
  /// The displacement to a label or an address that ends an instruction.
  void rel32(Json target) { code_.push_back({{"rel32", std::move(target)}}); }

  void push(Gpr reg);
  void pop(Gpr reg);
  void move_constant(Gpr to, std::int64_t value);
  void move(Gpr to, Gpr from);
  void load(Gpr to, const Place& from);
  void store(const Place& to, Gpr from);
  /// 64 bits, or 32 that clear the upper half.
  void lea(Gpr to, const Place& of, bool wide = true);
  void lea_of(Gpr to, Json target);  // a label or an address
  /// `lea` of rsp itself: moves it by `bytes`, without touching flags.
  void move_stack(std::int32_t bytes);
  /// One of 1, 2, 4 and 8 bytes, sign-extended. `segment`: a prefix, or 0.
  void load_signed(Gpr to, const Place& from, unsigned size, unsigned segment = 0);

  /// prefixes, REX with W, R, X and B as needed, the opcode, ModRM and what follows it.
  void with_place(std::initializer_list<unsigned> prefixes, bool wide,
                  std::initializer_list<unsigned> opcode, unsigned reg, const Place& place);
  /// ModRM, SIB and displacement alone.
  void place(unsigned reg, const Place& place);

  /// What was written since the last time.
  [[nodiscard]] Json take() { return std::exchange(code_, Json::array()); }

 private:
  Json code_ = Json::array();
};

/// Addresses as JSON: a number where JSON keeps its bits, else a string.
[[nodiscard]] Json address_value(Vaddr address);

}  // namespace punster
