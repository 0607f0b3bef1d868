#include "tests/unit/relocate/machine.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>

// What enter and leave share with C++. On the way out nothing but these is written, and flags are
// read before anything could change them: `mov` does not.
extern "C" {
struct PunsterTestMachine {
  std::uint64_t registers[16];
  std::uint64_t flags;
  std::uint64_t entry;
  std::uint64_t host_rsp;
  std::uint64_t exit;
  std::uint64_t vector_parts;  // of xsave
  std::uint32_t mxcsr;         // the host's
  alignas(64) std::uint8_t vectors[2688];
};
alignas(64) PunsterTestMachine punster_test_machine;
void punster_test_enter();
void punster_test_ran_on();
void punster_test_taken();
void punster_test_leave();
}
static_assert(offsetof(PunsterTestMachine, flags) == 128 &&
              offsetof(PunsterTestMachine, entry) == 136 &&
              offsetof(PunsterTestMachine, host_rsp) == 144 &&
              offsetof(PunsterTestMachine, exit) == 152 &&
              offsetof(PunsterTestMachine, vector_parts) == 160 &&
              offsetof(PunsterTestMachine, mxcsr) == 168 &&
              offsetof(PunsterTestMachine, vectors) == 192);

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
  stmxcsr punster_test_machine+168(%rip)
  mov  punster_test_machine+160(%rip), %eax
  xor  %edx, %edx
  xrstor64 punster_test_machine+192(%rip)
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
  mov  punster_test_machine+160(%rip), %eax
  xor  %edx, %edx
  xsave64 punster_test_machine+192(%rip)
  fninit
  ldmxcsr punster_test_machine+168(%rip)
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

constexpr std::size_t xsave_header = 512, xsave_components = 576;

/// x87, SSE, AVX, masks, and both halves of AVX-512's, where the processor and the system have
/// them.
std::uint64_t vector_parts() {
  std::uint32_t lo, hi;
  asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return lo & 0xe7;
}

/// xsave leaves the last x87 instruction's address (which does differ), which parts were in use,
/// and unused bytes in the image.
void keep_registers_only(MachineState& state) {
  auto* const vectors = state.vectors.data();
  std::memset(vectors + 6, 0, 24 - 6);
  std::memset(vectors + 28, 0, 4);
  std::memset(vectors + 416, 0, xsave_components - 416);
}

// Control goes on at the exit, with the registers as they are; what the kernel keeps on this stack
// is not needed.
void leave_by_signal(int number, siginfo_t*, void* context) {
  punster_test_machine.exit = static_cast<std::uint64_t>(number);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] =
      static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(&punster_test_leave));
}

void fill(std::span<std::uint8_t> bytes, std::mt19937_64& random) {
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
}

}  // namespace

Machine::Machine() {
  void* mapped = mmap(nullptr, mapping_size, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  base_ = Vaddr{reinterpret_cast<std::uintptr_t>(mapped)};
  REQUIRE(base_.value < 0x7ff00000);
}

Machine::~Machine() {
  munmap(pointer(base_), mapping_size);
}

void Machine::write(Vaddr at, std::span<const std::uint8_t> bytes) {
  REQUIRE(at >= base_);
  std::memcpy(pointer(at), bytes.data(), bytes.size());
}

void Machine::write_exit(Vaddr at, Exit exit) {
  std::array<std::uint8_t, exit_size> code = {0xff, 0x25, 0,
                                              0,    0,    0};  // jmp *0(%rip), then where to
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
  keep_registers_only(state);
  std::memcpy(shared.vectors, state.vectors.data(), sizeof shared.vectors);
  shared.vector_parts = vector_parts();
  std::memcpy(shared.vectors + xsave_header, &shared.vector_parts, sizeof shared.vector_parts);

  punster_test_enter();

  std::memcpy(state.registers.data(), shared.registers, sizeof shared.registers);
  state.flags = shared.flags;
  std::memcpy(state.vectors.data(), shared.vectors, sizeof shared.vectors);
  keep_registers_only(state);
  std::memcpy(state.data.data(), pointer(data()), state.data.size());
  std::memcpy(state.stack.data(), pointer(stack()), state.stack.size());
  return static_cast<Exit>(shared.exit);
}

void Machine::catch_faults() {
  static std::array<std::uint8_t, 65536> stack;
  const stack_t alternate{stack.data(), 0, stack.size()};
  REQUIRE(sigaltstack(&alternate, nullptr) == 0);
  struct sigaction action {};
  action.sa_sigaction = leave_by_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int number : {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV})
    REQUIRE(sigaction(number, &action, nullptr) == 0);
}

MachineState Machine::random_state(std::mt19937_64& random) const {
  MachineState state;
  for (auto& value : state.registers) value = random();
  state.registers[rsp] = stack().value + page / 2 + random() % 512;
  state.flags = 0x202 | (random() & 0xcd5);  // OF DF SF ZF AF PF CF
  const std::uint16_t control = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memcpy(state.vectors.data(), &control, sizeof control);
  std::memcpy(state.vectors.data() + 24, &mxcsr, sizeof mxcsr);
  fill(std::span(state.vectors).subspan(160, 256), random);
  fill(std::span(state.vectors).subspan(xsave_components), random);
  state.data.resize(page);
  fill(state.data, random);
  state.stack.resize(page);
  fill(state.stack, random);
  return state;
}

}  // namespace punster::test
