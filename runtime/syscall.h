// System calls, straight: there is no libc in here, and no errno. A result in [-4095, -1] is an error.

#ifndef PUNSTER_RUNTIME_SYSCALL_H
#define PUNSTER_RUNTIME_SYSCALL_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static inline long syscall3(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static inline int is_error(long result) { return (unsigned long)result > -4096ul; }

static inline long sys_open(const char *path, int flags) {
  return syscall3(__NR_open, (long)path, flags, 0);
}
static inline void sys_close(long fd) { syscall3(__NR_close, fd, 0, 0); }
static inline long sys_read(long fd, void *to, size_t size) {
  return syscall3(__NR_read, fd, (long)to, (long)size);
}
static inline long sys_pread(long fd, void *to, size_t size, uint64_t offset) {
  return syscall6(__NR_pread64, fd, (long)to, (long)size, (long)offset, 0, 0);
}
static inline long sys_mmap(uint64_t at, uint64_t size, int protection, int flags, long fd,
                            uint64_t offset) {
  return syscall6(__NR_mmap, (long)at, (long)size, protection, flags, fd, (long)offset);
}
static inline void sys_munmap(uint64_t at, uint64_t size) {
  syscall3(__NR_munmap, (long)at, (long)size, 0);
}

#endif
