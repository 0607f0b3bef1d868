// Runs code of ours with every register and flag chosen, and reports all that it changed.
//
// One mapping below 2 GiB holds two places for code (where an instruction is from, and where it is
// displaced to), a data page for RIP-relative operands and a stack. Code leaves through *exits*:
// jumps that save the whole state without touching flags or stack, and say which of them was
// reached.

#pragma once

#include <array>
#include <random>
#include <span>
#include <vector>

#include "protocol/address.h"

namespace punster::test {

enum Register { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 };

struct MachineState {
  std::array<std::uint64_t, 16> registers{};
  std::uint64_t flags = 0x202;
  /// As xsave64 leaves it: x87, xmm, ymm, zmm and mask registers, as far as the processor has them.
  std::array<std::uint8_t, 2688> vectors{};
  std::vector<std::uint8_t> data, stack;
  friend bool operator==(const MachineState&, const MachineState&) = default;
};

/// The last are signals, by number: only after Machine::catch_faults().
enum class Exit {
  ran_on,
  taken,
  illegal = 4,
  trapped = 5,
  misaligned = 7,
  arithmetic = 8,
  faulted = 11
};

class Machine {
 public:
  Machine();
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] Vaddr original() const { return base_ + Bytes{0x1100}; }
  [[nodiscard]] Vaddr displaced() const { return base_ + Bytes{0x81230}; }
  [[nodiscard]] Vaddr data() const { return base_ + Bytes{0x20000}; }
  [[nodiscard]] Vaddr stack() const { return base_ + Bytes{0x30000}; }
  static constexpr std::size_t page = 4096;

  /// From here on a signal that an instruction raises is an exit, in this process.
  static void catch_faults();

  void write(Vaddr at, std::span<const std::uint8_t> bytes);
  void write_exit(Vaddr at, Exit exit);
  static constexpr unsigned exit_size = 14;

  /// Runs from `entry` to an exit. `state` is both what it starts from and what it left.
  Exit run(Vaddr entry, MachineState& state);

  /// Registers, flags, vectors, data and stack at random; rsp in the middle of the stack, aligned
  /// to nothing in particular; exceptions of arithmetic masked.
  [[nodiscard]] MachineState random_state(std::mt19937_64& random) const;

 private:
  Vaddr base_;
};

}  // namespace punster::test
