// What a displaced instruction becomes when it runs at another address (DESIGN: README of backend/).

#pragma once

#include <array>
#include <span>

#include "protocol/result.h"

namespace punster {

/// How control leaves a relocated instruction.
enum class Fallthrough : std::uint8_t {
  always,     ///< runs on into whatever stands behind it (also conditional branches not taken)
  never,      ///< jmp, ret, displaced call (returns to the original address), hlt-like ends
};

/// A displaced instruction, planned. The size does not depend on where it will stand, so bodies can be
/// laid out before any address is final.
class Relocation {
 public:
  /// `bytes` start with the instruction and hold at least its length; `address` is its original
  /// link-time address. `fixed_address`: the image is never moved (ET_EXEC) and lies below 2 GiB, so a
  /// return address can be pushed as an immediate.
  /// Errors: kind "cannot_relocate" with the reason, at `address`.
  static Result<Relocation> plan(std::span<const std::uint8_t> bytes, Vaddr address,
                                 bool fixed_address);

  [[nodiscard]] unsigned length() const;  ///< bytes of the original instruction
  [[nodiscard]] unsigned size() const;    ///< bytes it takes elsewhere, at most `max_size`
  [[nodiscard]] Fallthrough fallthrough() const;
  /// A call that becomes a push and a jump: unbalances return prediction, breaks shadow stacks.
  [[nodiscard]] bool emulates_call() const;
  [[nodiscard]] bool is_endbr() const;
  /// The target of a direct branch or call, or nothing.
  [[nodiscard]] std::optional<Vaddr> direct_target() const;

  /// Writes exactly size() bytes that behave at `at` as the original did at its address.
  /// `taken`: where a taken direct branch goes instead of its original target (E9Patch's $take).
  /// Errors: kind "out_of_range" when a displacement does not fit.
  Result<void> encode(Vaddr at, std::span<std::uint8_t> out,
                      std::optional<Vaddr> taken = std::nullopt) const;

  static constexpr unsigned max_size = 48;

 private:
  // private representation is the implementer's choice; keep the class trivially copyable and small
};

}  // namespace punster
