// The program's calls of libc that have to do with the signal of our traps, where libc itself is
// not rewritten: the GOT slots that emit listed lead here. The same is done as in own_calls.c, on
// libc's structures, and the real work is left to the real function, which also sets errno.
//
// A slot that is not bound yet is bound here, at start (binding.c): the dynamic linker never writes
// it.
//
// What libc does inside itself is not seen, and need not be: no code of this file runs in between.

#include <linux/elf.h>
#include <linux/mman.h>

#include "object.h"
#include "process.h"
#include "syscall.h"

extern const char punster_imports[] __attribute__((visibility("hidden")));
enum { stub_bytes = 16, stubs = 48 };
_Static_assert((int)punster_owned_functions <= (int)stubs, "imports.S has too few");

// glibc's and musl's, on x86-64.
struct LibcAction {
  __sighandler_t handler;
  uint64_t mask[16];
  int flags;
  void (*restorer)(void);
};

struct Arguments {
  long at[6];
  unsigned function;
};

struct Caller {
  struct Object self;
  struct Process* process;
};

static const struct PunsterImport* imports_of(const struct Object* self) {
  return (const struct PunsterImport*)((const char*)self->header + self->header->imports_offset);
}

static uint64_t stub_of(unsigned function) {
  return (uint64_t)punster_imports + function * stub_bytes;
}

static const char* name_of(unsigned function) {
#define PUNSTER_NAME(name) #name "\0"
  const char* name = PUNSTER_OWNED_FUNCTIONS(PUNSTER_NAME);
#undef PUNSTER_NAME
  while (function--) name += length_of(name) + 1;
  return name;
}

// Whether it leads back into this file: to the PLT, which asks the dynamic linker.
static int is_unbound(const struct Object* self, uint64_t original) {
  const uint64_t there = original - self->bias;
  return self->header->span_lo <= there && there < self->header->span_hi;
}

static void take_slot(struct Object* self, const struct PunsterImport* import) {
  uint64_t* const slot = (uint64_t*)(import->slot + self->bias);
  const uint64_t now = *slot;
  const uint64_t original =
      is_unbound(self, now) ? find_function(self, name_of(import->function)) : now;
  if (!original) return;
  self->state->originals[import->function] = original;
  *slot = stub_of(import->function);
}

static int is_relro(const struct Object* self, uint64_t link_address) {
  return self->header->relro_lo <= link_address && link_address < self->header->relro_hi;
}

// The original function.
static long forward(struct Caller* caller, const struct Arguments* a) {
  typedef long (*function)(long, long, long, long, long, long);
  const function original = (function)caller->self.state->originals[a->function];
  return original(a->at[0], a->at[1], a->at[2], a->at[3], a->at[4], a->at[5]);
}

// libc's functions return int, and what stands above it is nobody's.
static int failed(long result) {
  return (int)result != 0;
}

static long own_sigaction(struct Caller* caller, struct Arguments* a) {
  struct Process* const process = caller->process;
  const int signal = (int)a->at[0];
  const struct LibcAction* const asked = (const struct LibcAction*)a->at[1];
  struct LibcAction* const old = (struct LibcAction*)a->at[2];
  if (signal < 1 || signal > 64) return forward(caller, a);
  if (signal == process->signal) {
    const struct sigaction program = program_action(process);
    if (asked) {
      const struct sigaction action = {.sa_handler = asked->handler,
                                       .sa_flags = (unsigned)asked->flags & ~SA_RESTORER,
                                       .sa_mask = asked->mask[0]};
      set_program_action(process, &action);
    }
    if (old) {
      memset(old->mask, 0, sizeof old->mask);
      old->handler = program.sa_handler;
      old->mask[0] = program.sa_mask;
      old->flags = (int)(program.sa_flags & ~SA_RESTORER);
      old->restorer = 0;
    }
    return 0;
  }
  const int masked = (process->masking >> (signal - 1)) & 1;
  struct LibcAction action;
  int masks = 0;
  if (asked) {
    memcpy(&action, asked, sizeof action);
    masks = (action.mask[0] & owned(process)) != 0;
    action.mask[0] &= ~owned(process);
    a->at[1] = (long)&action;
  }
  const long result = forward(caller, a);
  if (failed(result)) return result;
  if (old && masked) old->mask[0] |= owned(process);
  if (asked) set_masking(process, signal, masks);
  return result;
}

static long own_signal(struct Caller* caller, struct Arguments* a, unsigned long flags) {
  if ((int)a->at[0] != caller->process->signal) return forward(caller, a);
  const __sighandler_t before = program_action(caller->process).sa_handler;
  const struct sigaction action = {.sa_handler = (__sighandler_t)a->at[1], .sa_flags = flags};
  set_program_action(caller->process, &action);
  return (long)before;
}

static long own_sigprocmask(struct Caller* caller, struct Arguments* a) {
  struct Process* const process = caller->process;
  const uint64_t* const asked = (const uint64_t*)a->at[1];
  uint64_t* const old = (uint64_t*)a->at[2];
  const int names_it = asked && (*asked & owned(process));
  if (!names_it && !process->blocking_count) return forward(caller, a);
  uint64_t set[16];
  if (asked) {
    memcpy(set, asked, sizeof set);
    set[0] &= ~owned(process);
    a->at[1] = (long)set;
  }
  const int how = (int)a->at[0], thread = thread_number(), before = is_blocking(process, thread);
  const long result = forward(caller, a);
  if (failed(result)) return result;
  if (old && before) *old |= owned(process);
  if (asked)
    set_blocking(process, thread,
                 how == SIG_SETMASK ? names_it
                 : how == SIG_BLOCK ? before | names_it
                                    : before & !names_it);
  return result;
}

// sigblock, sigsetmask, siggetmask: 32 signals in an int, the old ones returned.
static long own_old_mask(struct Caller* caller, struct Arguments* a) {
  struct Process* const process = caller->process;
  const int thread = thread_number(), before = is_blocking(process, thread);
  const int names_it = (a->at[0] & (long)owned(process)) != 0;
  a->at[0] &= ~(long)owned(process);
  const long result = forward(caller, a);
  if (a->function == punster_owned_sigsetmask)
    set_blocking(process, thread, names_it);
  else if (a->function == punster_owned_sigblock && names_it)
    set_blocking(process, thread, 1);
  return before ? result | (long)owned(process) : result;
}

// System V's: sighold, sigrelse, sigignore, sigset.
static long own_system_v(struct Caller* caller, struct Arguments* a) {
  struct Process* const process = caller->process;
  if ((int)a->at[0] != caller->process->signal) return forward(caller, a);
  const long hold = 2;  // SIG_HOLD
  const int thread = thread_number(), before = is_blocking(process, thread);
  const int is_set = a->function == punster_owned_sigset;
  const long handler = a->function == punster_owned_sigignore ? (long)SIG_IGN : a->at[1];
  const int holds = a->function == punster_owned_sighold || (is_set && handler == hold);
  const long result = before ? hold : (long)program_action(process).sa_handler;
  if (!holds && a->function != punster_owned_sigrelse) {
    const struct sigaction action = {.sa_handler = (__sighandler_t)handler};
    set_program_action(process, &action);
  }
  if (holds)
    set_blocking(process, thread, 1);
  else if (is_set || a->function == punster_owned_sigrelse)
    set_blocking(process, thread, 0);
  return is_set ? result : 0;
}

// Functions that wait with other signals blocked, or keep a set for later: argument `which` points
// at it.
static long without_sigill(struct Caller* caller, struct Arguments* a, unsigned which) {
  const uint64_t* const asked = (const uint64_t*)a->at[which];
  if (!asked || !(*asked & owned(caller->process))) return forward(caller, a);
  uint64_t set[16];
  memcpy(set, asked, sizeof set);
  set[0] &= ~owned(caller->process);
  a->at[which] = (long)set;
  return forward(caller, a);
}

static long own_sigpending(struct Caller* caller, struct Arguments* a) {
  const long result = forward(caller, a);
  if (!failed(result) && caller->process->blocking_count &&
      is_pending(caller->process, thread_number()))
    *(uint64_t*)a->at[0] |= owned(caller->process);
  return result;
}

static long own_sigwait(struct Caller* caller, struct Arguments* a) {
  siginfo_t info;
  if (!caller->process->blocking_count || !(*(const uint64_t*)a->at[0] & owned(caller->process)) ||
      !take_pending(caller->process, thread_number(), &info))
    return forward(caller, a);
  if (a->function == punster_owned_sigwait) {
    *(int*)a->at[1] = caller->process->signal;
    return 0;
  }
  if (a->at[1]) memcpy((void*)a->at[1], &info, sizeof info);
  return caller->process->signal;
}

static long own_sigaltstack(struct Caller* caller, struct Arguments* a) {
  struct Process* const process = caller->process;
  const stack_t* const asked = (const stack_t*)a->at[0];
  stack_t* const old = (stack_t*)a->at[1];
  if (!process->stack || thread_number() != (int)syscall3(__NR_getpid, 0, 0, 0))
    return forward(caller, a);
  stack_t now;
  syscall3(__NR_sigaltstack, 0, (long)&now, 0);
  const int has_ours = is_our_stack(process, &now);
  const stack_t ours = {(void*)process->stack, 0, process->stack_bytes};
  if (asked && (asked->ss_flags & SS_DISABLE)) a->at[0] = (long)&ours;
  const long result = forward(caller, a);
  if (!failed(result) && old && has_ours) *old = (stack_t){0, SS_DISABLE, 0};
  return result;
}

static long own_context(struct Caller* caller, struct Arguments* a, unsigned which) {
  struct ucontext* const context = (struct ucontext*)a->at[which];
  context->uc_sigmask &= ~owned(caller->process);
  return forward(caller, a);
}

static long own_exec(struct Caller* caller, struct Arguments* a) {
  if (!changes_what_is_inherited(caller->process)) return forward(caller, a);
  show_kernel_the_truth(caller->process);
  const long result = forward(caller, a);
  own_again(caller->process);
  return result;
}

// Called by imports.S.
__attribute__((used, visibility("hidden"))) long punster_own_function(long a, long b, long c,
                                                                      long d, long e, long f,
                                                                      unsigned function) {
  struct Arguments arguments = {{a, b, c, d, e, f}, function};
  struct Caller caller = {0};
  find_object(&caller.self);
  caller.process = process_of(&caller.self);
  switch (function) {
    case punster_owned_sigaction:
    case punster_owned___sigaction:
      return own_sigaction(&caller, &arguments);
    case punster_owned_signal:
    case punster_owned_bsd_signal:
    case punster_owned_ssignal:
      return own_signal(&caller, &arguments, SA_RESTART);
    case punster_owned_sysv_signal:
    case punster_owned___sysv_signal:
      return own_signal(&caller, &arguments, SA_RESETHAND | SA_NODEFER);
    case punster_owned_sigset:
    case punster_owned_sighold:
    case punster_owned_sigrelse:
    case punster_owned_sigignore:
      return own_system_v(&caller, &arguments);
    case punster_owned_sigprocmask:
    case punster_owned_pthread_sigmask:
      return own_sigprocmask(&caller, &arguments);
    case punster_owned_sigblock:
    case punster_owned_sigsetmask:
    case punster_owned_siggetmask:
      return own_old_mask(&caller, &arguments);
    case punster_owned_sigsuspend:
      return without_sigill(&caller, &arguments, 0);
    case punster_owned_pthread_attr_setsigmask_np:
      return without_sigill(&caller, &arguments, 1);
    case punster_owned_ppoll:
    case punster_owned___ppoll_chk:
      return without_sigill(&caller, &arguments, 3);
    case punster_owned_epoll_pwait:
    case punster_owned_epoll_pwait2:
      return without_sigill(&caller, &arguments, 4);
    case punster_owned_pselect:
      return without_sigill(&caller, &arguments, 5);
    case punster_owned_sigpending:
      return own_sigpending(&caller, &arguments);
    case punster_owned_sigwait:
    case punster_owned_sigwaitinfo:
    case punster_owned_sigtimedwait:
      return own_sigwait(&caller, &arguments);
    case punster_owned_sigaltstack:
      return own_sigaltstack(&caller, &arguments);
    case punster_owned_setcontext:
      return own_context(&caller, &arguments, 0);
    case punster_owned_swapcontext:
      return own_context(&caller, &arguments, 1);
    default:
      return own_exec(&caller, &arguments);
  }
}

// Slots that ld.so has made read-only by now are made writable for a moment.
void own_imports(struct Object* self) {
  const struct PunsterHeader* const h = self->header;
  if (!process_of(self) || h->import_count == 0) return;
  const long lo = (long)(h->relro_lo + self->bias), bytes = (long)(h->relro_hi - h->relro_lo);
  const int writable =
      bytes > 0 && !is_error(syscall3(__NR_mprotect, lo, bytes, PROT_READ | PROT_WRITE));
  for (uint32_t i = 0; i < h->import_count; ++i)
    if (writable || !is_relro(self, imports_of(self)[i].slot))
      take_slot(self, &imports_of(self)[i]);
  if (writable) syscall3(__NR_mprotect, lo, bytes, PROT_READ);
}
