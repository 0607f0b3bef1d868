// Registers by name, and sets of them that know that al is a part of rax.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace punster {

/// What a register is called and how wide it is; `number` counts within the kind.
enum class RegisterKind : std::uint8_t {
  none,
  low8,   // al cl dl bl spl bpl sil dil r8b..r15b
  high8,  // ah ch dh bh
  gpr16,
  gpr32,
  gpr64,
  xmm,
  ymm,
  zmm,
  mask,     // k0..k7
  x87,      // st0..st7
  mmx,      // mm0..mm7, the low 64 bits of the x87 registers
  segment,  // es cs ss ds fs gs
  control,  // cr0..cr15
  debug,    // dr0..dr15
  bound,    // bnd0..bnd3
  tile,     // tmm0..tmm7
  single,   // rip, rflags and the processor's other single registers
};

struct Register {
  RegisterKind kind = RegisterKind::none;
  std::uint8_t number = 0;
  /// Whether this is a register at all: `mem[0].base` of an absolute operand is not ("nil").
  [[nodiscard]] bool exists() const { return kind != RegisterKind::none; }
  friend bool operator==(const Register&, const Register&) = default;
};

/// "rax", "r8d", "xmm3", "fs", "rip", "rflags", ...; "nil" for no register.
[[nodiscard]] std::string to_string(Register r);
/// The inverse of to_string; also eip, ip, eflags, flags and st. Nothing for any other text.
[[nodiscard]] std::optional<Register> register_named(std::string_view name);

/// A set of registers, kept as the storage they occupy: al, ah, the upper halves of eax and of rax
/// are four separate lanes. So a set that holds eax answers yes for rax, eax, ax, al and ah, and
/// one that holds al answers no for ah.
class RegisterSet {
 public:
  void insert(Register r) {
    const Place p = place(r);
    words_[p.word] |= p.bits;
  }
  /// Like insert, but for a register that an instruction writes: writing eax clears the rest of
  /// rax, and a VEX or EVEX encoded instruction clears the rest of the vector register.
  void insert_written(Register r, bool clears_upper_vector);
  /// Whether any part of `r` is in the set.
  [[nodiscard]] bool overlaps(Register r) const {
    const Place p = place(r);
    return words_[p.word] & p.bits;
  }
  [[nodiscard]] bool empty() const { return words_ == std::array<std::uint64_t, 5>{}; }
  void merge(const RegisterSet& other);
  friend bool operator==(const RegisterSet&, const RegisterSet&) = default;

 private:
  /// The lanes of a register; they never cross a word.
  struct Place {
    unsigned word = 0;
    std::uint64_t bits = 0;
  };
  static Place place(Register r);
  std::array<std::uint64_t, 5> words_{};
};

}  // namespace punster
