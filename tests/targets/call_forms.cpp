// flags: -fno-plt
// Calls of every form that a call of five bytes can take the place of: direct, through memory, through the
// stack, RIP-relative; and exceptions thrown through each of them. Prints return addresses' distances, too:
// a callee must see the original ones.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

using Callee = int (*)(int);

struct Table {
  char room[0x200];
  Callee far_entry;
};

static int depth;

__attribute__((noipa)) int throws_at_three(int n) {
  ++depth;
  if (n == 3) throw std::runtime_error("three");
  return n * 2 + 1;
}

// call *0x200(%reg)
__attribute__((noipa)) int through_memory(const Table* table, int n) {
  return table->far_entry(n) + 1;
}

// call *disp32(%rsp): the address is spilled far up.
__attribute__((noipa)) int through_stack(Callee callee, int n) {
  if (n < 0) throw n;  // the compiler does not know that assembly calls
  int result;
  asm volatile(
      "lea -0x80(%%rsp), %%rsp\n\t"  // past the red zone
      ".cfi_adjust_cfa_offset 0x80\n\t"
      "push %[callee]\n\t"
      ".cfi_adjust_cfa_offset 8\n\t"
      "sub $0x108, %%rsp\n\t"
      ".cfi_adjust_cfa_offset 0x108\n\t"
      "mov %[n], %%edi\n\t"
      "call *0x108(%%rsp)\n\t"
      "add $0x190, %%rsp\n\t"
      ".cfi_adjust_cfa_offset -0x190\n\t"
      : "=a"(result)
      : [callee] "r"(callee), [n] "r"(n)
      : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
  return result;
}

Callee global_callee = throws_at_three;

// call *disp(%rip)
__attribute__((noipa)) int through_rip(int n) { return global_callee(n) + 3; }

__attribute__((noipa)) int direct(int n) { return throws_at_three(n) + 4; }

// Where the callee returns to, seen by itself, as a distance into the caller.
__attribute__((noipa)) long returns_to(char* caller) {
  return static_cast<char*>(__builtin_return_address(0)) - caller;
}
__attribute__((noipa)) long seen_from_here() {
  return returns_to(reinterpret_cast<char*>(&seen_from_here)) + depth;  // no tail call
}

int main() {
  Table* table = static_cast<Table*>(std::malloc(sizeof(Table)));
  table->far_entry = throws_at_three;
  for (int n = 0; n < 5; ++n) {
    try {
      std::printf("direct %d: %d\n", n, direct(n));
    } catch (const std::runtime_error& e) {
      std::printf("direct threw %s\n", e.what());
    }
    try {
      std::printf("memory %d: %d\n", n, through_memory(table, n));
    } catch (const std::runtime_error& e) {
      std::printf("memory threw %s\n", e.what());
    }
    try {
      std::printf("stack %d: %d\n", n, through_stack(throws_at_three, n));
    } catch (const std::runtime_error& e) {
      std::printf("stack threw %s\n", e.what());
    }
    try {
      std::printf("rip %d: %d\n", n, through_rip(n));
    } catch (const std::runtime_error& e) {
      std::printf("rip threw %s\n", e.what());
    }
  }
  std::printf("depth %d, return address %ld bytes in\n", depth, seen_from_here());
  std::free(table);
}
