// Sites that no jump fits hold an undefined instruction, or another trap that somebody chose. The
// kernel turns it into SIGILL (below, SIGILL stands for the signal of the chosen trap), the handler
// moves the interrupted program to the site's trampoline, and rt_sigreturn restores everything
// else, vector state included. The table is searched in O(log n); nothing here takes a lock or
// allocates, so threads, fork and nested signals need no thought.
//
// Several rewritten objects of a process share the handler of the one that started first. The later
// ones know it by the words that it begins with (handler.S), and add their tables to its list.
//
// Whatever was not one of our sites is the program's: it gets what the kernel would have given it,
// had its own action been installed. Its handler starts on the stack it asked for, with a frame
// that looks as the kernel made it and returns to the program's own restorer, so that backtraces
// and debuggers go through.

#include "object.h"
#include "process.h"
#include "syscall.h"

// SA_RESTORER is not in the user's half of the kernel's headers for every version.
enum { sa_restorer_flag = 0x04000000 };

void punster_restorer(void);
void punster_handler(void);
_Noreturn void punster_enter_handler(uint64_t rsp, __sighandler_t handler, siginfo_t* info,
                                     struct ucontext* context, int signal);

// What stands at punster_handler, in whatever version of this runtime.
struct HandlerStart {
  uint8_t skip[8];
  uint64_t magic;
  int64_t to_config;  // from this structure to its blob's PunsterConfig
};

static long set_action(int signal, const struct sigaction* action, struct sigaction* previous) {
  return syscall6(__NR_rt_sigaction, signal, (long)action, (long)previous, sizeof(sigset_t), 0, 0);
}

static void change_mask(int how, const uint64_t* set, uint64_t* old) {
  syscall6(__NR_rt_sigprocmask, how, (long)set, (long)old, sizeof(sigset_t), 0, 0);
}

struct Process* process_of(struct Object* self) {
  return self->state->process;
}

int owns_calls_of(const struct Process* process, uint64_t address) {
  for (const struct State* object = process->newest; object; object = object->next) {
    const uint64_t there = address - object->bias;
    if ((object->header->flags & PUNSTER_FLAG_OWNS_CALLS) && object->header->span_lo <= there &&
        there < object->header->span_hi)
      return 1;
  }
  return 0;
}

void install_handler(const struct Process* process, unsigned long restart) {
  // A handler that would fault while its signal is blocked cannot be helped; ours may be entered
  // again.
  const struct sigaction action = {
      .sa_handler = (__sighandler_t)(uintptr_t)punster_handler,
      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | restart | sa_restorer_flag,
      .sa_restorer = punster_restorer};
  set_action(process->signal, &action, 0);
}

static const struct PunsterTrap* find_trap(const struct State* object, uint64_t site) {
  const struct PunsterHeader* const header = object->header;
  const struct PunsterTrap* const traps =
      (const struct PunsterTrap*)((const char*)header + header->traps_offset);
  uint32_t lo = 0, hi = header->trap_count;
  while (lo < hi) {
    const uint32_t middle = lo + (hi - lo) / 2;
    if (traps[middle].site < site)
      lo = middle + 1;
    else
      hi = middle;
  }
  return lo < header->trap_count && traps[lo].site == site ? &traps[lo] : 0;
}

// The trap that ended at or stands at `address`: an interrupt (int3, int 3) has been passed when
// its signal comes, everything else has not.
static const struct PunsterTrap* trap_behind(const struct State* object, int signal,
                                             uint64_t address) {
  if (signal != SIGTRAP) return find_trap(object, address);
  const struct PunsterTrap* const short_one = find_trap(object, address - 1);
  return short_one ? short_one : find_trap(object, address - 2);
}

// Whether `rip` was a site; then it is the trampoline's.
static int take_trap(const struct Process* process, const siginfo_t* info, __u64* rip) {
  // A debugger's single step or watchpoint is none.
  if (process->signal == SIGTRAP && info->si_code != SI_KERNEL) return 0;
  for (const struct State* object = __atomic_load_n(&process->newest, __ATOMIC_ACQUIRE); object;
       object = object->next) {
    const struct PunsterTrap* const trap =
        trap_behind(object, process->signal, *rip - object->bias);
    if (!trap) continue;
    *rip = trap->trampoline + object->bias;
    if (process->trap_count) __atomic_add_fetch(process->trap_count, 1, __ATOMIC_RELAXED);
    return 1;
  }
  return 0;
}

static void default_action(const struct Process* process, int synchronous) {
  const struct sigaction action = {
      .sa_handler = SIG_DFL, .sa_flags = sa_restorer_flag, .sa_restorer = punster_restorer};
  set_action(process->signal, &action, 0);
  // A fault repeats itself when we return, with the program's state intact for the core file; an
  // interrupt or a signal that was sent does not.
  if (!synchronous || process->signal == SIGTRAP) {
    const long group = syscall3(__NR_getpid, 0, 0, 0), thread = syscall3(__NR_gettid, 0, 0, 0);
    syscall3(__NR_tgkill, group, thread, process->signal);
  }
}

static int on_stack(const stack_t* stack, uint64_t rsp) {
  const uint64_t lo = (uint64_t)stack->ss_sp;
  return !(stack->ss_flags & SS_DISABLE) && rsp > lo && rsp <= lo + stack->ss_size;
}

// The kernel's frame, from the return address of the handler to the end of the vector state.
struct Frame {
  char *lo, *vectors, *hi;
};

static struct Frame frame_around(struct ucontext* context) {
  struct Frame frame = {(char*)context - 8, 0, 0};
  struct _fpstate_64* const vectors = context->uc_mcontext.fpstate;
  frame.vectors = (char*)vectors;
  if (vectors)
    frame.hi = frame.vectors + (vectors->sw_reserved.magic1 == FP_XSTATE_MAGIC1
                                    ? vectors->sw_reserved.extended_size
                                    : sizeof *vectors);
  return frame;
}

// The program did not ask for its alternate stack, or it is ours: its handler runs where the signal
// came.
static struct ucontext* move_frame(struct ucontext* context, siginfo_t** info) {
  const struct Frame frame = frame_around(context);
  if (!frame.vectors) return context;
  const uint64_t vectors =
      (context->uc_mcontext.rsp - 128 - (uint64_t)(frame.hi - frame.vectors)) & ~63ul;
  char* const lo = (char*)vectors - (frame.vectors - frame.lo);
  memcpy(lo, frame.lo, (size_t)(frame.hi - frame.lo));
  *info = (siginfo_t*)(lo + ((char*)*info - frame.lo));
  struct ucontext* const moved = (struct ucontext*)(lo + 8);
  moved->uc_mcontext.fpstate = (struct _fpstate_64*)vectors;
  return moved;
}

_Noreturn static void enter_program_handler(struct Process* process, struct sigaction action,
                                            siginfo_t* info, struct ucontext* context) {
  if (action.sa_flags & SA_RESETHAND) {
    struct sigaction reset = action;
    reset.sa_handler = SIG_DFL;
    set_program_action(process, &reset);
  }
  const uint64_t mask = action.sa_mask & ~owned(process);
  change_mask(SIG_BLOCK, &mask, 0);
  void (*restorer)(void) = action.sa_flags & sa_restorer_flag ? action.sa_restorer : 0;
  if (restorer && owns_calls_of(process, (uint64_t)restorer)) {
    // Its sigreturn comes by us, which reads what is written here: own_calls.c.
    const int thread = thread_number();
    if (is_blocking(process, thread)) context->uc_sigmask |= owned(process);
    context->uc_flags |= frame_of_sigill;
    if (!(action.sa_flags & SA_NODEFER) || (action.sa_mask & owned(process)))
      set_blocking(process, thread, 1);
  }
  const stack_t* const stack = (const stack_t*)&context->uc_stack;
  const int wanted = (action.sa_flags & SA_ONSTACK) && !is_our_stack(process, stack);
  if (!wanted && on_stack(stack, (uint64_t)context) && !on_stack(stack, context->uc_mcontext.rsp))
    context = move_frame(context, &info);
  uint64_t* const frame = (uint64_t*)context - 1;
  *frame = (uint64_t)(restorer ? restorer : punster_restorer);
  punster_enter_handler((uint64_t)frame, action.sa_handler, info, context, process->signal);
}

// handler.S jumps here, the registers as the kernel set them.
__attribute__((used, visibility("hidden"))) void punster_handle(int number, siginfo_t* info,
                                                                struct ucontext* context) {
  struct Object self = {0};
  find_object(&self);
  struct Process* const process = process_of(&self);
  (void)number;
  const int synchronous = info->si_code > 0;
  if (synchronous && take_trap(process, info, &context->uc_mcontext.rip)) return;
  if (!synchronous && process->blocking_count && keep_pending(process, thread_number(), info))
    return;
  const struct sigaction action = program_action(process);
  if (action.sa_handler == SIG_IGN && !synchronous) return;
  if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
      (synchronous && process->blocking_count && is_blocking(process, thread_number()))) {
    default_action(process, synchronous);
    return;
  }
  enter_program_handler(process, action, info, context);
}

// The process whose handler this is, if it is one of ours.
static struct Process* process_behind(const struct sigaction* action) {
  if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN) return 0;
  const struct HandlerStart* const start =
      (const struct HandlerStart*)(uintptr_t)action->sa_handler;
  if (memcmp(start, (const void*)(uintptr_t)punster_handler,
             sizeof start->skip + sizeof start->magic))
    return 0;
  // Its configuration, wherever that blob has it.
  const struct PunsterConfig* const config =
      (const struct PunsterConfig*)((const char*)start + start->to_config);
  return ((struct State*)(config->state_address + (uint64_t)config - config->config_address))
      ->process;
}

static int signal_of(uint32_t trap_kind) {
  switch (trap_kind) {
#define PUNSTER_SIGNAL(name, first, second, bytes, alone, signal) \
  case punster_trap_##name:                                       \
    return signal;
    PUNSTER_TRAP_FORMS(PUNSTER_SIGNAL)
#undef PUNSTER_SIGNAL
    default:
      return SIGILL;
  }
}

static struct Process* make_process(struct Object* self, int signal,
                                    const struct sigaction* current) {
  struct Process* const process = &self->state->shared;
  process->signal = signal;
  process->actions[0] = *current;
  uint64_t blocked = 0;
  const uint64_t set = owned(process);
  install_handler(process, SA_RESTART);
  set_program_action(process, current);
  change_mask(SIG_UNBLOCK, &set, &blocked);
  if (blocked & set) set_blocking(process, thread_number(), 1);
  give_alternate_stack(process);
  return process;
}

const char* install_trap_handler(struct Object* self) {
  struct State* const state = self->state;
  if (self->header->trap_count == 0) return 0;
  struct sigaction current;
  const int signal = signal_of(self->header->trap_kind);
  if (is_error(set_action(signal, 0, &current)))
    return "the handler of the traps' signal cannot be asked for";
  struct Process* process = process_behind(&current);
  if (!process) process = make_process(self, signal, &current);
  state->header = self->header;
  state->bias = self->bias;
  state->process = process;
  state->next = __atomic_load_n(&process->newest, __ATOMIC_ACQUIRE);
  while (!__atomic_compare_exchange_n(&process->newest, &state->next, state, 0, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
  }
  count_traps(self, process);
  return 0;
}

// Only right after install_trap_handler(): nobody has joined since, or another thread just did.
void remove_trap_handler(struct Object* self) {
  struct State *const state = self->state, *expected = state;
  if (!state->process) return;
  struct Process* const process = state->process;
  const int only = __atomic_compare_exchange_n(&process->newest, &expected, state->next, 0,
                                               __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  if (process != &state->shared || !only) return;
  const struct sigaction action = program_action(process);
  set_action(process->signal, &action, 0);
  remove_alternate_stack(process);
}
