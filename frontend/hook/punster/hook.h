/* What a hook may use: C or C++ compiled by `punster cc`, called from trampolines of a rewritten program.
 *
 *   #include <punster/hook.h>
 *   void entry(const void* addr, const char* text) { hook_printf("%p: %s\n", addr, text); }
 *
 *   punster cc entry.c
 *   punster patch -M jmp -P 'entry(addr, asm)@entry' prog -o prog.traced
 *
 * A hook runs between two arbitrary instructions of somebody else's program: in any thread, in its signal
 * handlers, while it holds any lock, before its libc is set up. So there is no libc here, no errno, no
 * thread-local storage, and nothing below takes a lock or keeps state. rsp is a multiple of 8, the flags and
 * all general registers are saved around the call; vector registers are not, and the compiler is told to use
 * none, unless `punster cc --vector` made the file. A hook must not jump out of itself (longjmp, exceptions).
 *
 * Each rewritten file has its own copy of the hook's variables. Threads share them: use __atomic_* where
 * that matters.
 *
 * Two functions are called by themselves, where they are defined:
 *   void init(int argc, char** argv, char** envp, void* dynamic);   before the program (`dynamic`: its
 *       _DYNAMIC, or NULL), behind the constructors of global C++ objects
 *   void fini(void);   when it exits by exit() or by returning from main, behind its destructors and before
 *       those of C++ objects here. Standard error may be closed by then. Only in executables. */

#ifndef PUNSTER_HOOK_H
#define PUNSTER_HOOK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The argument `state`: the program's registers. What is written here is what the program goes on with, but for
 * `rip`, and `rsp` under `goto`, which are only to be read. */
struct hook_state {
  int16_t flags; /* SF ZF 0 AF 0 PF 1 CF in the upper byte, OF in bit 0: also the argument `flags` */
  int16_t reserved[3];
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, rsp;
  const void* rip; /* of the instruction that is patched */
};
#define HOOK_SF 0x8000
#define HOOK_ZF 0x4000
#define HOOK_AF 0x1000
#define HOOK_PF 0x0400
#define HOOK_CF 0x0100
#define HOOK_OF 0x0001

/* What &xmm0, &ymm0 and &zmm0 point to: not aligned. */
typedef struct { uint64_t words[2]; } hook_xmm;
typedef struct { uint64_t words[4]; } hook_ymm;
typedef struct { uint64_t words[8]; } hook_zmm;

/* A system call as the kernel answers it: errors are -errno. `number` is one of <sys/syscall.h>. */
static inline long hook_syscall(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* One line to standard error in one write(2), so that threads do not mix within it. Conversions: d i u x X p c s
 * and %%; flags - and 0; width, also *; precision of s, also .*; lengths l, ll, z, h, hh. At most 1,000 bytes, the
 * rest is left out. Returns the bytes written. */
int hook_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
/* The same to another descriptor, or into memory: ends in a zero byte where size > 0; returns the bytes without it. */
int hook_fprintf(int descriptor, const char* format, ...) __attribute__((format(printf, 2, 3)));
int hook_snprintf(char* out, size_t size, const char* format, ...) __attribute__((format(printf, 3, 4)));
int hook_vsnprintf(char* out, size_t size, const char* format, va_list arguments);

/* Zeroed memory, from the kernel, a page at least; NULL when there is none. `bytes` as they were asked for. */
void* hook_map(size_t bytes);
void hook_unmap(void* memory, size_t bytes);
/* The same, shared with every process that asks for this file, and kept in it: counters outlive the program.
 * The file is made, and made longer, as needed. NULL when it cannot be. */
void* hook_share(const char* path, size_t bytes);

/* The kernel's number of this thread, and of this process. */
int hook_thread(void);
int hook_process(void);

/* The value of NAME=value in the third argument of init, or NULL. */
const char* hook_variable(char** envp, const char* name);
/* A decimal or 0x number at the start of `text`; 0 when there is none. */
long hook_number(const char* text);

/* Ends the process, without any of its own clean-up. */
void hook_exit(int status) __attribute__((noreturn));

/* Those of C. */
void* memcpy(void* to, const void* from, size_t bytes);
void* memmove(void* to, const void* from, size_t bytes);
void* memset(void* to, int byte, size_t bytes);
int memcmp(const void* a, const void* b, size_t bytes);
size_t strlen(const char* text);
int strcmp(const char* a, const char* b);
int strncmp(const char* a, const char* b, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
