// Interrupted by tests/e2e/step_tracer.cpp at every instruction between `begin` and `end`. Prints a number.
// flags: -O1 -fno-omit-frame-pointer -ffixed-r15
// patch: no
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
#include <unwind.h>

enum { begin = 0x5701, handled = 0x5702, end = 0x5703 };

static inline void tell(long what, const void *a, const void *b) {
  __asm__ volatile("int3" : : "a"(what), "D"(a), "S"(b) : "memory");
}

static sigjmp_buf start;
static char mode;
static unsigned table[16];

__attribute__((noinline)) static unsigned leaf(unsigned n) {
  unsigned in_red_zone[4] = {n, n + 1, n * 3, 7};
  for (int i = 0; i < 3; i++) in_red_zone[i + 1] += in_red_zone[i] / (i + 1u);
  return in_red_zone[3];
}

__attribute__((noinline)) static unsigned recurse(unsigned n) { return n ? recurse(n - 1) * 3 + leaf(n) : 1; }

static unsigned doubled(unsigned n) { return 2 * n; }
static unsigned rounded(unsigned n) { return (unsigned)((double)n * 1.5 + .25); }
static unsigned (*volatile functions[2])(unsigned) = {doubled, rounded};

__attribute__((noinline)) static unsigned work(unsigned n) {
  unsigned sum = 0;
  for (int i = 0; i < 16; i++) table[i] = 0;
  for (unsigned i = 0; i < 3; i++) {
    switch ((i + n) % 4) {
      case 0: sum += functions[i % 2](i + n); break;
      case 1: sum ^= recurse(i); break;
      default: sum += table[sum % 16]++ + functions[1](sum); break;
    }
    long count = 3;
    __asm__ volatile("1: add %1, %0\n loop 1b\n push %q1\n pushfq\n popfq\n pop %q1" : "+r"(sum), "+r"(i), "+c"(count));
    char copy[24];
    const char *from = (const char *)table;
    char *to = copy;
    count = 24;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    sum += (unsigned)copy[4 * i];
  }
  return sum;
}

// What the program's own unwinder finds: program counters and stack pointers, up to a pair of zeros.
static struct {
  unsigned long pc, sp;
} frames[100];
static int count;

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *unused) {
  (void)unused;
  if (count == 99) return _URC_END_OF_STACK;
  frames[count].pc = _Unwind_GetIP(context);
  frames[count++].sp = _Unwind_GetCFA(context);
  return _URC_NO_REASON;
}

static void handler(int number, siginfo_t *info, void *context) {
  ucontext_t *const c = context;
  if (mode == 'c') c->uc_mcontext.gregs[REG_R15] += 1000;
  if (mode == 'b') {
    count = 0;
    _Unwind_Backtrace(note, NULL);
    frames[count].pc = frames[count].sp = 0;
  }
  tell(handled, c->uc_mcontext.gregs, frames);
  if (mode == 'j') siglongjmp(start, 1);
}

// return: the handler returns; change: with another value in r15; jump: it leaves by siglongjmp, and work starts anew.
// backtrace: it asks who called what it interrupted, and returns.
int main(int argc, char **argv) {
  const struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  mode = argc > 1 ? *argv[1] : 'r';
  sigaction(SIGUSR1, &action, NULL);
  sigsetjmp(start, 1);
  tell(begin, (const void *)work, NULL);
  const unsigned result = work(7);
  tell(end, NULL, NULL);
  printf("%u\n", result);
  return 0;
}
