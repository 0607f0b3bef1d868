#include "tests/unit/relocate/machine.h"

#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <cstring>

// What enter and leave share with C++. On the way out nothing but these is written, and flags are read
// before anything could change them: `mov` does not.
extern "C" {
struct PunsterTestMachine {
  std::uint64_t registers[16];
  std::uint64_t flags;
  std::uint64_t entry;
  std::uint64_t host_rsp;
  std::uint64_t exit;
  alignas(16) std::uint8_t vectors[512];
};
alignas(64) PunsterTestMachine punster_test_machine;
void punster_test_enter();
void punster_test_ran_on();
void punster_test_taken();
}
static_assert(offsetof(PunsterTestMachine, flags) == 128 &&
              offsetof(PunsterTestMachine, entry) == 136 &&
              offsetof(PunsterTestMachine, host_rsp) == 144 &&
              offsetof(PunsterTestMachine, exit) == 152 &&
              offsetof(PunsterTestMachine, vectors) == 160);

asm(R"(
.pushsection .text
.macro each_register do
  \do rax,  0
  \do rcx,  8
  \do rdx, 16
  \do rbx, 24
  \do rsp, 32
  \do rbp, 40
  \do rsi, 48
  \do rdi, 56
  \do r8,  64
  \do r9,  72
  \do r10, 80
  \do r11, 88
  \do r12, 96
  \do r13, 104
  \do r14, 112
  \do r15, 120
.endm
.macro load register, offset
  mov punster_test_machine+\offset(%rip), %\register
.endm
.macro save register, offset
  mov %\register, punster_test_machine+\offset(%rip)
.endm

punster_test_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov  %rsp, punster_test_machine+144(%rip)
  fxrstor64 punster_test_machine+160(%rip)
  push punster_test_machine+128(%rip)
  popfq
  each_register load
  jmp  *punster_test_machine+136(%rip)

punster_test_ran_on:
  movq $0, punster_test_machine+152(%rip)
  jmp  punster_test_leave
punster_test_taken:
  movq $1, punster_test_machine+152(%rip)
punster_test_leave:
  each_register save
  mov  punster_test_machine+144(%rip), %rsp
  pushfq
  pop  punster_test_machine+128(%rip)
  fxsave64 punster_test_machine+160(%rip)
  cld
  pop  %r15
  pop  %r14
  pop  %r13
  pop  %r12
  pop  %rbp
  pop  %rbx
  ret
.popsection
)");

namespace punster::test {
namespace {

constexpr std::size_t mapping_size = 0x100000;

std::uint8_t* pointer(Vaddr at) {
  return reinterpret_cast<std::uint8_t*>(at.value);
}

/// fxsave leaves the last x87 instruction's address (which does differ) and unused bytes in the image.
void keep_registers_only(std::array<std::uint8_t, 512>& vectors) {
  std::memset(vectors.data() + 6, 0, 24 - 6);
  std::memset(vectors.data() + 28, 0, 4);
  std::memset(vectors.data() + 416, 0, 96);
}

}  // namespace

Machine::Machine() {
  void* mapped = mmap(nullptr, mapping_size, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  base_ = Vaddr{reinterpret_cast<std::uintptr_t>(mapped)};
  REQUIRE(base_.value < 0x7ff00000);
}

Machine::~Machine() { munmap(pointer(base_), mapping_size); }

void Machine::write(Vaddr at, std::span<const std::uint8_t> bytes) {
  REQUIRE(at >= base_);
  std::memcpy(pointer(at), bytes.data(), bytes.size());
}

void Machine::write_exit(Vaddr at, Exit exit) {
  std::array<std::uint8_t, exit_size> code = {0xff, 0x25, 0, 0, 0, 0};  // jmp *0(%rip), then where to
  const auto to = exit == Exit::taken ? &punster_test_taken : &punster_test_ran_on;
  std::memcpy(code.data() + 6, &to, sizeof to);
  write(at, code);
}

Exit Machine::run(Vaddr entry, MachineState& state) {
  auto& shared = punster_test_machine;
  write(data(), state.data);
  write(stack(), state.stack);
  std::memcpy(shared.registers, state.registers.data(), sizeof shared.registers);
  shared.flags = state.flags;
  shared.entry = entry.value;
  keep_registers_only(state.vectors);
  std::memcpy(shared.vectors, state.vectors.data(), sizeof shared.vectors);

  punster_test_enter();

  std::memcpy(state.registers.data(), shared.registers, sizeof shared.registers);
  state.flags = shared.flags;
  std::memcpy(state.vectors.data(), shared.vectors, sizeof shared.vectors);
  keep_registers_only(state.vectors);
  std::memcpy(state.data.data(), pointer(data()), state.data.size());
  std::memcpy(state.stack.data(), pointer(stack()), state.stack.size());
  return shared.exit == 1 ? Exit::taken : Exit::ran_on;
}

}  // namespace punster::test
