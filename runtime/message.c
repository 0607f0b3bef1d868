#include "object.h"
#include "syscall.h"

void say(struct Object *self, const char *what, const char *detail, const char *advice) {
  char *const line = self->state->line;
  const char *const end = line + sizeof self->state->line - 1;
  char *at = append(line, end, "punster: ");
  at = append(at, end, self->name ? self->name : "(unknown file)");
  at = append(at, end, ": ");
  at = append(at, end, what);
  if (detail) {
    at = append(at, end, " ");
    at = append(at, end, detail);
  }
  at = append(at, end, ": ");
  at = append(at, end, advice);
  *at++ = '\n';
  // A closed stderr is the program's affair; fd 2 may by now even be something else, as with any library.
  syscall3(__NR_write, 2, (long)line, at - line);
}
