// The system calls of rewritten code that have to do with the signal of our traps (SIGILL, unless
// the file was made with others): gate.S brings them here.
//
// Most need nothing: no signal set in them contains SIGILL and nobody blocks it. Then the call is
// left to the program, untouched. Otherwise it is made here with SIGILL taken out of the sets, and
// the program is told what it expects. Memory of the program that may not be there is first shown
// to the kernel, in a call that does nothing but fail: EFAULT is then the program's to get.

#include <asm/errno.h>

#include "object.h"
#include "process.h"
#include "syscall.h"

enum { set_bytes = sizeof(sigset_t), no_such_signal = 0, no_such_change = 99 };

// Author: gate.S. `rax` becomes the result.
struct Call {
  uint64_t rbx, syscall_address;
  long r9, r8, r10, rdx, rsi, rdi, rax;
  uint64_t flags;
};

enum Verdict { as_it_is = 0, done = 1 };

static int finish(struct Call* call, long result) {
  call->rax = result;
  return done;
}

static long make(const struct Call* call) {
  return syscall6(call->rax, call->rdi, call->rsi, call->rdx, call->r10, call->r8, call->r9);
}

static int can_read_set(const uint64_t* set) {
  return syscall6(__NR_rt_sigprocmask, no_such_change, (long)set, 0, set_bytes, 0, 0) != -EFAULT;
}

static int change_mask(struct Process* process, struct Call* call) {
  const uint64_t* const set = (const uint64_t*)call->rsi;
  uint64_t* const old = (uint64_t*)call->rdx;
  if (call->r10 != set_bytes || (set && !can_read_set(set))) return as_it_is;
  uint64_t asked = set ? *set : 0;
  const int thread = process->blocking_count || (asked & owned(process)) ? thread_number() : 0;
  const int before = thread && is_blocking(process, thread);
  if (!before && !(asked & owned(process))) return as_it_is;
  const int how = (int)call->rdi, names_it = (asked & owned(process)) != 0;
  asked &= ~owned(process);
  const long result =
      syscall6(__NR_rt_sigprocmask, how, set ? (long)&asked : 0, (long)old, set_bytes, 0, 0);
  if (is_error(result)) return finish(call, result);
  if (old && before) *old |= owned(process);
  if (set)
    set_blocking(process, thread,
                 how == SIG_SETMASK ? names_it
                 : how == SIG_BLOCK ? before | names_it
                                    : before & !names_it);
  return finish(call, result);
}

static int change_action(struct Process* process, struct Call* call) {
  const int signal = (int)call->rdi;
  const struct sigaction* const asked = (const struct sigaction*)call->rsi;
  struct sigaction* const old = (struct sigaction*)call->rdx;
  if (call->r10 != set_bytes || signal < 1 || signal > 64) return as_it_is;
  const int masked = (process->masking >> (signal - 1)) & 1;
  if (signal != process->signal && !asked && !masked) return as_it_is;
  struct sigaction action;
  if (asked) {
    if (syscall6(__NR_rt_sigaction, no_such_signal, call->rsi, 0, set_bytes, 0, 0) == -EFAULT)
      return as_it_is;
    action = *asked;
  }
  if (signal == process->signal) {
    const struct sigaction program = program_action(process);
    const long writable =
        old ? syscall6(__NR_rt_sigaction, SIGKILL, 0, (long)old, set_bytes, 0, 0) : 0;
    if (is_error(writable)) return finish(call, writable);
    if (asked) set_program_action(process, &action);
    if (old) *old = program;
    return finish(call, 0);
  }
  const int masks = asked && (action.sa_mask & owned(process));
  if (!masks && !masked) return as_it_is;
  action.sa_mask &= ~owned(process);
  const long result =
      syscall6(__NR_rt_sigaction, signal, asked ? (long)&action : 0, (long)old, set_bytes, 0, 0);
  if (is_error(result)) return finish(call, result);
  if (old && masked) old->sa_mask |= owned(process);
  if (asked) set_masking(process, signal, masks);
  return finish(call, result);
}

// A call that waits with other signals blocked: `set` points at the set, in the argument or in
// memory that the argument points at.
static int wait_with(const struct Process* process, struct Call* call, long* set) {
  const uint64_t* const asked = (const uint64_t*)*set;
  if (!asked || !can_read_set(asked) || !(*asked & owned(process))) return as_it_is;
  const uint64_t without = *asked & ~owned(process);
  *set = (long)&without;
  const long result = make(call);
  *set = (long)asked;
  return finish(call, result);
}

// pselect6's last argument points at a set and its size.
static int select_with(const struct Process* process, struct Call* call) {
  const uint64_t* const pair = (const uint64_t*)call->r9;
  if (!pair || !can_read_set(pair) || !can_read_set(pair + 1) || pair[1] != set_bytes)
    return as_it_is;
  const uint64_t* const asked = (const uint64_t*)pair[0];
  if (!asked || !can_read_set(asked) || !(*asked & owned(process))) return as_it_is;
  const uint64_t without = *asked & ~owned(process);
  const uint64_t ours[2] = {(uint64_t)&without, set_bytes};
  call->r9 = (long)ours;
  const long result = make(call);
  call->r9 = (long)pair;
  return finish(call, result);
}

static int tell_pending(struct Process* process, struct Call* call) {
  if (!process->blocking_count || call->rsi != set_bytes || !is_pending(process, thread_number()))
    return as_it_is;
  const long result = make(call);
  if (!is_error(result)) *(uint64_t*)call->rdi |= owned(process);
  return finish(call, result);
}

// One that was sent before anybody waited; what comes later, the kernel gives to who waits.
static int take_waiting(struct Process* process, struct Call* call) {
  const uint64_t* const asked = (const uint64_t*)call->rdi;
  siginfo_t info;
  if (!process->blocking_count || call->r10 != set_bytes || !can_read_set(asked) ||
      !(*asked & owned(process)) || !take_pending(process, thread_number(), &info))
    return as_it_is;
  if (call->rsi) memcpy((void*)call->rsi, &info, sizeof info);
  return finish(call, process->signal);
}

static int change_stack(struct Process* process, struct Call* call) {
  const stack_t* const asked = (const stack_t*)call->rdi;
  stack_t* const old = (stack_t*)call->rsi;
  if (!process->stack || thread_number() != (int)syscall3(__NR_getpid, 0, 0, 0)) return as_it_is;
  stack_t now;
  if (is_error(syscall3(__NR_sigaltstack, 0, (long)&now, 0))) return as_it_is;
  const stack_t ours = {(void*)process->stack, 0, process->stack_bytes};
  const int has_ours = is_our_stack(process, &now);
  const int disables =
      asked && can_read_set((const uint64_t*)asked + 1) && (asked->ss_flags & SS_DISABLE);
  if (!has_ours && !disables) return as_it_is;
  const long result =
      syscall3(__NR_sigaltstack, disables ? (long)&ours : (long)asked, (long)old, 0);
  if (!is_error(result) && old && has_ours) *old = (stack_t){0, SS_DISABLE, 0};
  return finish(call, result);
}

static int execute(struct Process* process, struct Call* call) {
  if (!changes_what_is_inherited(process)) return as_it_is;
  show_kernel_the_truth(process);
  const long result = make(call);
  own_again(process);
  return finish(call, result);
}

// The frame begins right above the stack pointer at the `syscall`, which gate.S lowered.
static int leave_handler(struct Process* process, struct Call* call) {
  struct ucontext* const context = (struct ucontext*)((char*)(call + 1) + 128);
  if (context->uc_flags & frame_of_sigill) {
    context->uc_flags &= ~frame_of_sigill;
    set_blocking(process, thread_number(), (context->uc_sigmask & owned(process)) != 0);
  } else if (context->uc_sigmask & owned(process)) {
    set_blocking(process, thread_number(), 1);
  }
  context->uc_sigmask &= ~owned(process);
  return as_it_is;
}

static int end_thread(struct Process* process) {
  siginfo_t ends_with_it;
  if (process->blocking_count) {
    take_pending(process, thread_number(), &ends_with_it);
    set_blocking(process, thread_number(), 0);
  }
  return as_it_is;
}

__attribute__((used, visibility("hidden"))) int punster_own_call(struct Call* call) {
  struct Object self = {0};
  find_object(&self);
  struct Process* const process = process_of(&self);
  switch ((int)call->rax) {
    case __NR_rt_sigprocmask:
      return change_mask(process, call);
    case __NR_rt_sigaction:
      return change_action(process, call);
    case __NR_rt_sigreturn:
      return leave_handler(process, call);
    case __NR_rt_sigpending:
      return tell_pending(process, call);
    case __NR_rt_sigtimedwait:
      return take_waiting(process, call);
    case __NR_sigaltstack:
      return change_stack(process, call);
    case __NR_pselect6:
      return select_with(process, call);
    case __NR_rt_sigsuspend:
      return call->rsi == set_bytes ? wait_with(process, call, &call->rdi) : as_it_is;
    case __NR_ppoll:
      return call->r8 == set_bytes ? wait_with(process, call, &call->r10) : as_it_is;
    case __NR_epoll_pwait:
    case __NR_epoll_pwait2:
      return call->r9 == set_bytes ? wait_with(process, call, &call->r8) : as_it_is;
    case __NR_execve:
    case __NR_execveat:
      return execute(process, call);
    case __NR_exit:
      return end_thread(process);
    default:
      return as_it_is;
  }
}
