// The environment as it was when the program was started.
//
// The entry point of a program finds it on the stack. The initialiser of a shared object is handed a
// pointer by glibc, but garbage by musl, and setenv() may have moved what stands there; so it asks the
// kernel, which remembers the original. All of this happens only when something needs to be known, that
// is, with counters or after a failure.

#include <asm/fcntl.h>
#include <linux/auxvec.h>

#include "object.h"
#include "syscall.h"

enum { prctl_get_auxv = 0x41555856 };  // PR_GET_AUXV, Linux 6.4

static const uint64_t *auxiliary_vector(const uint64_t *stack) {
  const uint64_t *at = stack + 1 + stack[0] + 1;  // argc, argv, 0
  while (*at) ++at;                               // envp
  return at + 1;
}

static uint64_t auxiliary(const uint64_t *vector, const uint64_t *end, uint64_t type, uint64_t absent) {
  for (; vector + 1 < end && vector[0] != AT_NULL; vector += 2)
    if (vector[0] == type) return vector[1];
  return absent;
}

const char *file_name_from_kernel(const struct Object *self) {
  if (!self->stack) return 0;
  return (const char *)auxiliary(auxiliary_vector(self->stack), (const uint64_t *)-1ul, AT_EXECFN, 0);
}

// When nothing can be learned the answer is yes.
static int secure(struct Object *self) {
  if (self->stack)
    return auxiliary(auxiliary_vector(self->stack), (const uint64_t *)-1ul, AT_SECURE, 1) != 0;
  uint64_t *const vector = (uint64_t *)self->state->buffer;
  long size = syscall6(__NR_prctl, prctl_get_auxv, (long)vector, page_bytes, 0, 0, 0);
  if (is_error(size)) {
    const long fd = sys_open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
    if (is_error(fd)) return 1;
    size = sys_read(fd, vector, page_bytes);
    sys_close(fd);
  }
  if (size <= 0 || size > page_bytes) return 1;
  return auxiliary(vector, vector + size / 8, AT_SECURE, 1) != 0;
}

// `text` is "NAME=value": the value, when the name is `name`.
static const char *value_of(const char *text, const char *name) {
  while (*name && *text == *name) ++text, ++name;
  return *name == 0 && *text == '=' ? text + 1 : 0;
}

static const char *from_proc(struct Object *self, const char *name) {
  const long fd = sys_open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return 0;
  char *const entry = self->state->value;
  size_t length = 0;
  const char *found = 0;
  long size;
  while (!found && (size = sys_read(fd, self->state->buffer, page_bytes)) > 0)
    for (long i = 0; i < size && !found; ++i) {
      const char c = self->state->buffer[i];
      if (length < path_bytes) entry[length++] = c;  // a longer one is cut, and then not taken
      if (c) continue;
      if (entry[length - 1] == 0) found = value_of(entry, name);
      length = 0;
    }
  sys_close(fd);
  return found;
}

const char *environment(struct Object *self, const char *name) {
  if (secure(self)) return 0;
  if (!self->stack) return from_proc(self, name);
  const char *const *entry = (const char *const *)(self->stack + 1 + self->stack[0] + 1);
  for (; *entry; ++entry) {
    const char *value = value_of(*entry, name);
    if (value) return value;
  }
  return 0;
}
