// Opening the file that we are: the pages to map are in there, and pages of another file would be code at
// random. A path proves nothing (the file may have been replaced since, the program may have been started
// through ld.so, or inside another root directory), so every candidate must hold, at the place where our
// tables came from, exactly the bytes that are mapped here, build key included.

#include <asm/fcntl.h>

#include "object.h"
#include "syscall.h"

static int is_our_file(const struct Object *self, long fd) {
  struct PunsterHeader there;
  return sys_pread(fd, &there, sizeof there, self->header->header_offset) == (long)sizeof there &&
         memcmp(&there, self->header, sizeof there) == 0;
}

// Returns the file, or -1; *another becomes 1 when the path leads to some other file.
static long try_path(const struct Object *self, const char *path, int *another) {
  const long fd = sys_open(path, O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return -1;
  if (is_our_file(self, fd)) return fd;
  sys_close(fd);
  *another = 1;
  return -1;
}

long open_own_file(struct Object *self, const char **reason) {
  int another = 0;
  long fd = -1;
  char *const path = self->state->path;
  if (self->stack) {  // a program
    self->name = file_name_from_kernel(self);
    int started_by_loader = 0;  // then /proc/self/exe is ld.so, which means nothing
    fd = try_path(self, "/proc/self/exe", &started_by_loader);
    if (fd < 0 && self->name) fd = try_path(self, self->name, &another);
    if (fd >= 0) return fd;
  }
  struct MapsEntry entry;
  if (find_maps_entry(self, (uint64_t)self->header, &entry, path)) {
    if (path[0]) self->name = path;
    fd = try_path(self, path, &another);
    if (fd < 0) {  // deleted, or never had a name: needs privileges, but then it works
      char *const link = self->state->value;
      const char *const end = link + path_bytes;
      char *at = append(link, end, "/proc/self/map_files/");
      at = append_hex(at, end, entry.lo);
      at = append(at, end, "-");
      append_hex(at, end, entry.hi);
      fd = try_path(self, link, &another);
    }
  }
  if (fd < 0)
    *reason = another ? "the file was replaced or changed after it was loaded"
                      : "its own file cannot be opened (deleted, or no /proc here)";
  return fd;
}
