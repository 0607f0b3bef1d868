// What all rewritten objects with traps of one process share: one handler for SIGILL, and what the
// program believes about SIGILL. The first object to start makes it, in its state segment; the
// others find it through the handler that the kernel has. Objects with traps are never unloaded, so
// neither is it.

#ifndef PUNSTER_RUNTIME_PROCESS_H
#define PUNSTER_RUNTIME_PROCESS_H

#include <linux/signal.h>
#include <stdint.h>
// They need the above.
#include <asm/sigcontext.h>
#include <asm/ucontext.h>

struct Object;
struct State;

enum { most_blocking_threads = 64, action_copies = 8 };

// A thread that, as far as the program knows, blocks SIGILL.
struct BlockingThread {
  int thread;   // 0: free
  int pending;  // a SIGILL that was sent is kept in `info` until it unblocks
  siginfo_t info;
};

struct Process {
  struct State* newest;                     // of the objects that have joined; a list
  int signal;                               // that the traps raise, and that we own: SIGILL, or as
                                            // the file was made
  struct sigaction actions[action_copies];  // the program's own for SIGILL: number `action` counts
  unsigned action, next_action;
  uint64_t masking;  // bit s-1: the program's handler of s blocks SIGILL
  struct BlockingThread blocking[most_blocking_threads];
  int blocking_count;
  unsigned victim;              // whose entry is taken when all are in use
  uint64_t stack, stack_bytes;  // the alternate stack that we gave the main thread
  const int* owner;             // the process that `actions` belongs to, in a page that a
                                // child by fork gets empty, one by vfork shares; or 0
  uint64_t* trap_count;         // in a file that PUNSTER_TRAPS names, or 0
};

// The signal as a set.
static inline uint64_t owned(const struct Process* process) {
  return 1ul << (process->signal - 1);
}

// In uc_flags of a frame that a program's handler of SIGILL returns through, where its sigreturn
// comes by us.
static const uint64_t frame_of_sigill = 1ul << 62;

// process.c. None of these locks or allocates; all may be interrupted by a signal, and called in
// its handler.
int thread_number(void);
int is_blocking(const struct Process* process, int thread);
void set_blocking(struct Process* process, int thread, int blocking);
// Keeps a SIGILL that was sent until the thread unblocks. 0: the thread does not block it.
int keep_pending(struct Process* process, int thread, const siginfo_t* info);
int is_pending(const struct Process* process, int thread);
// Takes it: whether there was one.
int take_pending(struct Process* process, int thread, siginfo_t* info);

struct sigaction program_action(const struct Process* process);
// Whether what we know of the program is this process's, and not that of a parent which shares it
// (vfork).
int may_record(const struct Process* process);
void set_program_action(struct Process* process, const struct sigaction* action);
void set_masking(struct Process* process, int signal, int masks);

// An executed program inherits what is blocked and what is ignored. Whether that is not what the
// kernel knows; make it so; and back.
int changes_what_is_inherited(const struct Process* process);
void show_kernel_the_truth(const struct Process* process);
void own_again(const struct Process* process);

// trap.c: the kernel's action for the signal while we own it. `restart`: SA_RESTART or 0.
void install_handler(const struct Process* process, unsigned long restart);
struct Process* process_of(struct Object* self);
// Whether `address` lies in an object all of whose system calls come by us.
int owns_calls_of(const struct Process* process, uint64_t address);

// alternate_stack.c
void give_alternate_stack(struct Process* process);
void remove_alternate_stack(struct Process* process);
int is_our_stack(const struct Process* process, const stack_t* stack);

#endif
