// Opening the file that we are: the pages to map are in there, and pages of another file would be
// code at random. A path proves nothing (the file may have been replaced since, the program may
// have been started through ld.so, or inside another root directory), so every candidate must hold,
// at the place where our tables came from, exactly the bytes that are mapped here, build key
// included.

#include <asm/fcntl.h>
#include <linux/elf.h>

#include "object.h"
#include "syscall.h"

static int is_our_file(struct Object* self, long fd) {
  struct elf64_hdr file;
  struct elf64_phdr p;
  struct PunsterHeader there;
  if (sys_pread(fd, &file, sizeof file, 0) != (long)sizeof file) return 0;
  // Looked for by its address: `strip` moves segments within the file.
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    if (sys_pread(fd, &p, sizeof p, file.e_phoff + i * sizeof p) != (long)sizeof p) return 0;
    if (p.p_type != PT_LOAD || p.p_vaddr != self->header->header_address) continue;
    self->shift = p.p_offset - self->header->header_offset;
    return sys_pread(fd, &there, sizeof there, p.p_offset) == (long)sizeof there &&
           memcmp(&there, self->header, sizeof there) == 0;
  }
  return 0;
}

// Returns the file, or -1; *another becomes 1 when the path leads to some other file.
static long try_path(struct Object* self, const char* path, int* another) {
  const long fd = sys_open(path, O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return -1;
  if (is_our_file(self, fd)) return fd;
  sys_close(fd);
  *another = 1;
  return -1;
}

long open_own_file(struct Object* self, const char** reason) {
  int another = 0;
  long fd = -1;
  char* const path = self->state->path;
  if (self->stack) {  // a program
    self->name = file_name_from_kernel(self);
    int started_by_loader = 0;  // then /proc/self/exe is ld.so, which means nothing
    fd = try_path(self, "/proc/self/exe", &started_by_loader);
    if (fd < 0 && self->name) fd = try_path(self, self->name, &another);
    if (fd >= 0) return fd;
  }
  if (find_own_entry(self, path)) {
    if (path[0]) self->name = path;
    fd = try_path(self, path, &another);
    if (fd < 0) {  // deleted, or never had a name: needs privileges, but then it works
      char* const link = self->state->value;
      const char* const end = link + path_bytes;
      char* at = append(link, end, "/proc/self/map_files/");
      at = append_hex(at, end, self->own.lo);
      at = append(at, end, "-");
      append_hex(at, end, self->own.hi);
      fd = try_path(self, link, &another);
    }
    static const char deleted[] = " (deleted)";
    const size_t length = length_of(path);
    if (length >= sizeof deleted && equal(path + length + 1 - sizeof deleted, deleted)) {
      path[length + 1 - sizeof deleted] = 0;
      another = 1;
    }
  }
  if (fd < 0) fd = copy_own_pages(self);
  if (fd < 0)
    *reason = another
                  ? "the file was deleted or replaced after it was loaded, and cannot be copied"
                  : "its own file can neither be opened nor copied (no /proc, no memfd_create?)";
  return fd;
}
