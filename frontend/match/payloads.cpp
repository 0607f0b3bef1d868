// Payloads run between two arbitrary instructions of somebody else's program. So they change
// nothing that it can see: no general register, no flag, no vector state, nothing in the 128 bytes
// below rsp (the red zone of the System V ABI), no errno. They may run in a signal handler, on a
// small alternate stack, between vfork and exec, or before the first relocation is applied; hence
// no calls, no locks, no thread-local storage.
//
// Below the red zone the kernel may write a signal frame at any moment, therefore rsp moves first
// (by lea, which leaves the flags alone) and only then registers are saved.
//
// Flags cost most: pushf and popf take some 20 cycles. `count` needs no flag, because lea can add
// one. `count(atomic)` cannot avoid them (every locked instruction writes them), so it keeps SF ZF
// AF PF CF by lahf and OF by seto; adding 0x7f to a byte that is 1 overflows, to one that is 0 does
// not, and brings OF back before sahf brings back the rest. `print` gets them back from the kernel:
// the syscall instruction saves rflags in r11, and the return from the system call restores them.

#include "frontend/match/payloads.h"

#include <array>

namespace punster {
namespace {

Json rel32(const char* name) {
  return {{"rel32", name}};
}
Json int32(const char* name) {
  return {{"int32", name}};
}

Payload count() {
  return {
      {{0x48, 0x8d, 0x64, 0x24, 0x80}, "lea -0x80(%rsp), %rsp"},
      {{0x50}, "push %rax"},
      {{0x48, 0x8b, 0x05, rel32(counter_column)}, "movq {counter}(%rip), %rax"},
      {{0x48, 0x8d, 0x40, 0x01}, "lea 0x1(%rax), %rax"},
      {{0x48, 0x89, 0x05, rel32(counter_column)}, "movq %rax, {counter}(%rip)"},
      {{0x58}, "pop %rax"},
      {{0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00}, "lea 0x80(%rsp), %rsp"},
  };
}

Payload count_atomic() {
  return {
      {{0x48, 0x8d, 0x64, 0x24, 0x80}, "lea -0x80(%rsp), %rsp"},
      {{0x50}, "push %rax"},
      {{0x9f}, "lahf"},
      {{0x0f, 0x90, 0xc0}, "seto %al"},
      {{0xf0, 0x48, 0xff, 0x05, rel32(counter_column)}, "lock incq {counter}(%rip)"},
      {{0x04, 0x7f}, "add $0x7f, %al"},
      {{0x9e}, "sahf"},
      {{0x58}, "pop %rax"},
      {{0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00}, "lea 0x80(%rsp), %rsp"},
  };
}

// write(2, text, length), once: a line cut short by a full pipe stays short.
Payload print() {
  return {
      {{0x48, 0x8d, 0x64, 0x24, 0x80}, "lea -0x80(%rsp), %rsp"},
      {{0x50}, "push %rax"},
      {{0x51}, "push %rcx"},
      {{0x52}, "push %rdx"},
      {{0x56}, "push %rsi"},
      {{0x57}, "push %rdi"},
      {{0x41, 0x53}, "push %r11"},
      {{0x48, 0x8d, 0x35, rel32(".Lasmstr")}, "lea {.Lasmstr}(%rip), %rsi"},
      {{0xba, int32(text_length_column)}, "mov ${asmstrlen}, %edx"},
      {{0xbf, 0x02, 0x00, 0x00, 0x00}, "mov $0x2, %edi"},
      {{0xb8, 0x01, 0x00, 0x00, 0x00}, "mov $0x1, %eax"},  // SYS_write
      {{0x0f, 0x05}, "syscall"},
      {{0x41, 0x5b}, "pop %r11"},
      {{0x5f}, "pop %rdi"},
      {{0x5e}, "pop %rsi"},
      {{0x5a}, "pop %rdx"},
      {{0x59}, "pop %rcx"},
      {{0x58}, "pop %rax"},
      {{0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00}, "lea 0x80(%rsp), %rsp"},
  };
}

// Ends all threads. Where a filter forbids even that, ud2 stops the program instead of letting it
// run on with wrong registers.
Payload exit_group(int status) {
  return {
      {{0xbf, {{"int32", status}}}, "mov ${status}, %edi"},
      {{0xb8, 0xe7, 0x00, 0x00, 0x00}, "mov $0xe7, %eax"},  // SYS_exit_group
      {{0x0f, 0x05}, "syscall"},
      {{0x0f, 0x0b}, "ud2"},
  };
}

}  // namespace

Payload payload_of(const Action& action) {
  switch (action.kind()) {
    case ActionKind::count:
      return count();
    case ActionKind::count_atomic:
      return count_atomic();
    case ActionKind::print:
      return print();
    case ActionKind::breakpoint:
      return {{{0xcc}, "int3"}};
    case ActionKind::exit:
      return exit_group(action.exit_status());
    default:
      return {};
  }
}

void append(Json& code, const Payload& payload) {
  for (const auto& line : payload)
    for (const auto& element : line.code) code.push_back(element);
}

}  // namespace punster
