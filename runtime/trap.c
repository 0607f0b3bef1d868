// Sites that no jump fits hold an undefined instruction. The kernel turns it into SIGILL, the handler
// moves the interrupted program to the site's trampoline, and rt_sigreturn restores everything else, vector
// state included. The table is searched in O(log n); nothing here takes a lock or allocates, so threads,
// fork and nested signals need no thought.
//
// Whatever was not one of our sites goes to whoever handled SIGILL before us: another rewritten object
// of this process, the program's own handler, or the default action.

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "object.h"
#include "syscall.h"

// SA_RESTORER is not in the user's half of the kernel's headers for every version.
enum { sa_restorer_flag = 0x04000000, signal_set_bytes = 8 };

void punster_restorer(void);

static long set_action(const struct sigaction *action, struct sigaction *previous) {
  return syscall6(__NR_rt_sigaction, SIGILL, (long)action, (long)previous, signal_set_bytes, 0, 0);
}

static void change_mask(int how, const sigset_t *set) {
  syscall6(__NR_rt_sigprocmask, how, (long)set, 0, signal_set_bytes, 0, 0);
}

static const struct PunsterTrap *find_trap(const struct Object *self, uint64_t site) {
  const struct PunsterTrap *traps = traps_of(self);
  uint32_t lo = 0, hi = self->header->trap_count;
  while (lo < hi) {
    const uint32_t middle = lo + (hi - lo) / 2;
    if (traps[middle].site < site)
      lo = middle + 1;
    else
      hi = middle;
  }
  return lo < self->header->trap_count && traps[lo].site == site ? &traps[lo] : 0;
}

static void default_action(int synchronous) {
  const struct sigaction action = {.sa_handler = SIG_DFL,
                                   .sa_flags = sa_restorer_flag,
                                   .sa_restorer = punster_restorer};
  set_action(&action, 0);
  // A fault repeats itself when we return, with the program's state intact for the core file; a signal
  // that was sent does not.
  if (!synchronous) {
    const long process = syscall3(__NR_getpid, 0, 0, 0), thread = syscall3(__NR_gettid, 0, 0, 0);
    syscall3(__NR_tgkill, process, thread, SIGILL);
  }
}

static void handle(int number, siginfo_t *info, void *context) {
  struct Object self = {0};
  find_object(&self);
  struct ucontext *const interrupted = context;
  const int synchronous = info->si_code > 0;
  if (synchronous) {
    const struct PunsterTrap *trap = find_trap(&self, interrupted->uc_mcontext.rip - self.bias);
    if (trap) {
      interrupted->uc_mcontext.rip = trap->trampoline + self.bias;
      return;
    }
  }
  const struct sigaction previous = self.state->previous;
  if (previous.sa_handler == SIG_DFL || (previous.sa_handler == SIG_IGN && synchronous)) {
    default_action(synchronous);
    return;
  }
  if (previous.sa_handler == SIG_IGN) return;
  // As the kernel would have called it; our own rt_sigreturn restores the mask.
  sigset_t mask = previous.sa_mask;
  if (!(previous.sa_flags & SA_NODEFER)) mask |= 1ul << (SIGILL - 1);
  change_mask(SIG_BLOCK, &mask);
  if (previous.sa_flags & SA_RESETHAND) self.state->previous.sa_handler = SIG_DFL;
  ((void (*)(int, siginfo_t *, void *))(uintptr_t)previous.sa_handler)(number, info, context);
}

const char *install_trap_handler(struct Object *self) {
  if (self->header->trap_count == 0) return 0;
  // A handler that would fault while SIGILL is blocked cannot be helped; ours may be entered again.
  const struct sigaction action = {
      .sa_handler = (__sighandler_t)(uintptr_t)handle,
      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | sa_restorer_flag,
      .sa_restorer = punster_restorer};
  if (is_error(set_action(&action, &self->state->previous))) return "no handler for SIGILL can be installed";
  const sigset_t illegal = 1ul << (SIGILL - 1);
  change_mask(SIG_UNBLOCK, &illegal);
  return 0;
}

// Only right after install_trap_handler(): later, another object may have chained to us.
void remove_trap_handler(struct Object *self) {
  if (self->header->trap_count) set_action(&self->state->previous, 0);
}
