// An alternate stack for the main thread, so that a trap works whatever rsp holds.
//
// The thread gets it when the first object with traps starts, unless it has one already; a program
// that sets its own takes ours away, and gives it back by disabling its own. Other threads have the
// alternate stack that they ask for, and none before: there, rsp must be a stack where a site is
// trapped.

#include <asm/errno.h>
#include <linux/mman.h>

#include "object.h"
#include "process.h"
#include "syscall.h"

enum { guard_bytes = page_bytes, our_stack_bytes = 64 * page_bytes };

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static long set_stack(const stack_t* stack, stack_t* old) {
  return syscall3(__NR_sigaltstack, (long)stack, (long)old, 0);
}

// One mapping: the page of `owner`, a page that nobody may touch, the stack.
void give_alternate_stack(struct Process* process) {
  const uint64_t bytes = page_bytes + guard_bytes + our_stack_bytes;
  const long at = sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (is_error(at)) return;
  // Before 4.14: a child by vfork may then change what we know of its parent.
  if (!is_error(syscall3(__NR_madvise, at, page_bytes, MADV_WIPEONFORK))) {
    *(int*)at = (int)syscall3(__NR_getpid, 0, 0, 0);
    process->owner = (const int*)at;
  }
  syscall3(__NR_mprotect, at + page_bytes, guard_bytes, PROT_NONE);
  process->stack = (uint64_t)at + page_bytes + guard_bytes;
  process->stack_bytes = our_stack_bytes;
  const stack_t ours = {(void*)process->stack, 0, process->stack_bytes};
  stack_t old;
  if (is_error(set_stack(0, &old)) || !(old.ss_flags & SS_DISABLE)) return;
  set_stack(&ours, 0);
}

void remove_alternate_stack(struct Process* process) {
  if (!process->stack) return;
  stack_t old;
  const stack_t none = {0, SS_DISABLE, 0};
  if (!is_error(set_stack(0, &old)) && is_our_stack(process, &old)) set_stack(&none, 0);
  sys_munmap(process->stack - guard_bytes - page_bytes, page_bytes + guard_bytes + our_stack_bytes);
  process->stack = 0;
  process->owner = 0;
}

int is_our_stack(const struct Process* process, const stack_t* stack) {
  return process->stack && (uint64_t)stack->ss_sp == process->stack;
}
