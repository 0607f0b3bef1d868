// A handler of SIGTRAP that steps over runs of int3 behind calls: every one of them must still be
// there.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile int traps;
static void count(int signal) {
  (void)signal;
  ++traps;
}

long pressed(long);
// One-byte instructions between fixed bytes press for landing pads; the int3 would be within reach.
__asm__(
    ".text\n.type pressed, @function\npressed:\n .cfi_startproc\n"
    " push %rbx\n push %rbp\n mov %rdi, %rbx\n"
    " call leaf\n .fill 24, 1, 0xcc\n"
    " cmc\n jne 1f\n cmc\n jne 1f\n cmc\n jne 1f\n cmc\n jne 1f\n"
    "1: add %rax, %rbx\n call leaf\n .fill 5, 1, 0xcc\n nop\n nop\n nop\n nop\n nop\n nop\n"
    " cmc\n jne 2f\n cmc\n jne 2f\n"
    "2: lea (%rbx,%rax), %rax\n pop %rbp\n pop %rbx\n ret\n .cfi_endproc\n.size pressed, . - "
    "pressed\n"
    ".type leaf, @function\nleaf:\n .cfi_startproc\n mov $7, %eax\n test %edi, %edi\n ret\n "
    ".cfi_endproc\n"
    ".size leaf, . - leaf\n");

int main(void) {
  signal(SIGTRAP, count);
  long sum = 0;
  for (long i = 0; i < 3; ++i) sum += pressed(i);
  printf("%ld, %d traps\n", sum, traps);
  return 0;
}
