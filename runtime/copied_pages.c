// When our own file cannot be had: no /proc, no permission to read it, deleted or replaced since it
// was loaded. Whoever loaded us mapped the tables and the pages all the same, as one segment that
// nobody reads, so the pages are here. They are copied to a file in memory, once, and mapped from
// there as they would be from the file: every page of it may stand at many addresses.
//
// The original code that overlays will replace is copied behind them, for the case that they must
// be undone.

#include <linux/memfd.h>

#include "object.h"
#include "syscall.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int write_all(long fd, const char* from, uint64_t size) {
  while (size) {
    const long written = syscall3(__NR_write, fd, (long)from, (long)size);
    if (is_error(written) || written == 0) return 0;
    from += written;
    size -= (uint64_t)written;
  }
  return 1;
}

static int write_originals(const struct Object* self, long fd) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i)
    if (m[i].kind == PUNSTER_OVERLAY &&
        !write_all(fd, (const char*)(m[i].address + self->bias), (uint64_t)m[i].pages * page_bytes))
      return 0;
  return 1;
}

long copy_own_pages(struct Object* self) {
  const struct PunsterMapping* m = mappings_of(self);
  uint64_t end = 0;  // of the pages, as an offset from the tables
  for (uint32_t i = 0; i < self->header->mapping_count; ++i) {
    if (!is_ours_to_map(m[i].kind)) continue;
    const uint64_t after =
        m[i].file_offset + (uint64_t)m[i].pages * page_bytes - self->header->header_offset;
    if (after > end) end = after;
  }
  static const char name[] = "punster";
  long fd = syscall3(__NR_memfd_create, (long)name, MFD_CLOEXEC | MFD_EXEC, 0);
  if (is_error(fd)) fd = syscall3(__NR_memfd_create, (long)name, MFD_CLOEXEC, 0);  // before 6.3
  if (is_error(fd)) return -1;
  if (!write_all(fd, (const char*)self->header, end) || !write_originals(self, fd)) {
    sys_close(fd);
    return -1;
  }
  self->shift = -self->header->header_offset;
  self->originals = end;
  return fd;
}
