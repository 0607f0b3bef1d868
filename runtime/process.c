// The program's view of the signal of our traps: who handles it, which threads block it. SIGILL
// stands here for whichever it is (struct Process: signal).
//
// The kernel never hears of it: there, SIGILL has our handler and is blocked by nobody, or the
// first trap would end the process. What the program asked for stands here, and is what it is told
// when it asks.
//
// Threads are known by number. Only those that block SIGILL have an entry, and only they change it,
// so a lock is not needed; a thread that ends without unblocking leaves its entry behind, and when
// all are in use, the next one is taken over. What is lost then is an answer to a question that is
// hardly ever asked.

#include "process.h"

#include <linux/prctl.h>

#include "object.h"
#include "syscall.h"

int thread_number(void) {
  return (int)syscall3(__NR_gettid, 0, 0, 0);
}

static struct BlockingThread* entry_of(const struct Process* process, int thread) {
  if (__atomic_load_n(&process->blocking_count, __ATOMIC_RELAXED) == 0) return 0;
  for (unsigned i = 0; i < most_blocking_threads; ++i)
    if (__atomic_load_n(&process->blocking[i].thread, __ATOMIC_RELAXED) == thread)
      return (struct BlockingThread*)&process->blocking[i];
  return 0;
}

int is_blocking(const struct Process* process, int thread) {
  return entry_of(process, thread) != 0;
}

static int claim(struct BlockingThread* entry, int from, int thread) {
  if (!__atomic_compare_exchange_n(&entry->thread, &from, thread, 0, __ATOMIC_ACQ_REL,
                                   __ATOMIC_RELAXED))
    return 0;
  entry->pending = 0;
  return 1;
}

static void add_entry(struct Process* process, int thread) {
  for (unsigned i = 0; i < most_blocking_threads; ++i)
    if (claim(&process->blocking[i], 0, thread)) {
      __atomic_add_fetch(&process->blocking_count, 1, __ATOMIC_RELAXED);
      return;
    }
  const unsigned i =
      __atomic_fetch_add(&process->victim, 1, __ATOMIC_RELAXED) % most_blocking_threads;
  claim(&process->blocking[i], process->blocking[i].thread, thread);
}

void set_blocking(struct Process* process, int thread, int blocking) {
  struct BlockingThread* entry = entry_of(process, thread);
  if (blocking) {
    if (!entry) add_entry(process, thread);
    return;
  }
  // More than one when a signal handler came in between.
  for (; entry; entry = entry_of(process, thread)) {
    const int pending = entry->pending;
    siginfo_t info = entry->info;
    __atomic_sub_fetch(&process->blocking_count, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->thread, 0, __ATOMIC_RELEASE);
    if (pending)
      syscall6(__NR_rt_tgsigqueueinfo, syscall3(__NR_getpid, 0, 0, 0), thread, process->signal,
               (long)&info, 0, 0);
  }
}

int keep_pending(struct Process* process, int thread, const siginfo_t* info) {
  struct BlockingThread* const entry = entry_of(process, thread);
  if (!entry) return 0;
  if (!entry->pending) {
    memcpy(&entry->info, info, sizeof *info);
    entry->pending = 1;
  }
  return 1;
}

int is_pending(const struct Process* process, int thread) {
  const struct BlockingThread* const entry = entry_of(process, thread);
  return entry && entry->pending;
}

int take_pending(struct Process* process, int thread, siginfo_t* info) {
  struct BlockingThread* const entry = entry_of(process, thread);
  if (!entry || !entry->pending) return 0;
  memcpy(info, &entry->info, sizeof *info);
  entry->pending = 0;
  return 1;
}

// Handlers read it while others write: a copy once published stays as it is for a while.
struct sigaction program_action(const struct Process* process) {
  return process->actions[__atomic_load_n(&process->action, __ATOMIC_ACQUIRE) % action_copies];
}

// A child by vfork has signal actions of its own but shares our memory. A child by fork finds the
// page of `owner` empty: the memory is its own.
int may_record(const struct Process* process) {
  if (!process->owner || *process->owner == 0) return 1;
  return *process->owner == (int)syscall3(__NR_getpid, 0, 0, 0);
}

void set_program_action(struct Process* process, const struct sigaction* action) {
  if (!may_record(process)) return;
  const unsigned slot = __atomic_add_fetch(&process->next_action, 1, __ATOMIC_RELAXED);
  process->actions[slot % action_copies] = *action;
  __atomic_store_n(&process->action, slot, __ATOMIC_RELEASE);
  // Whether a system call goes on behind a SIGILL that was sent is the kernel's to decide.
  const int handled = action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
  install_handler(process, handled ? action->sa_flags & SA_RESTART : SA_RESTART);
}

void set_masking(struct Process* process, int signal, int masks) {
  const uint64_t bit = 1ul << (signal - 1);
  if (((process->masking & bit) != 0) == (masks != 0) || !may_record(process)) return;
  if (masks)
    __atomic_or_fetch(&process->masking, bit, __ATOMIC_RELAXED);
  else
    __atomic_and_fetch(&process->masking, ~bit, __ATOMIC_RELAXED);
}

static void change_mask(const struct Process* process, int how) {
  const uint64_t set = owned(process);
  syscall6(__NR_rt_sigprocmask, how, (long)&set, 0, sizeof set, 0, 0);
}

int changes_what_is_inherited(const struct Process* process) {
  return program_action(process).sa_handler == SIG_IGN || is_blocking(process, thread_number());
}

void show_kernel_the_truth(const struct Process* process) {
  const struct sigaction action = program_action(process);
  if (action.sa_handler == SIG_IGN)
    syscall6(__NR_rt_sigaction, process->signal, (long)&action, 0, sizeof action.sa_mask, 0, 0);
  if (is_blocking(process, thread_number())) change_mask(process, SIG_BLOCK);
}

void own_again(const struct Process* process) {
  const struct sigaction action = program_action(process);
  if (action.sa_handler == SIG_IGN) install_handler(process, SA_RESTART);
  change_mask(process, SIG_UNBLOCK);
}
