// Replacing code pages by their patched copies. From the first of these calls on the program is
// neither the original nor the patched one, so a failure in the middle (the limit on mappings) is
// undone from the original bytes, which still stand in the file where they always stood.

#include <linux/elf.h>
#include <linux/mman.h>

#include "object.h"
#include "syscall.h"

static int map_over(const struct PunsterMapping* m, uint64_t bias, long fd, uint64_t offset) {
  const uint64_t at = m->address + bias;
  return sys_mmap(at, (uint64_t)m->pages * page_bytes, PROT_READ | PROT_EXEC,
                  MAP_PRIVATE | MAP_FIXED, fd, offset) == (long)at;
}

static int restore_from_copy(const struct Object* self, long fd, const struct PunsterMapping* m) {
  uint64_t offset = self->originals;
  for (const struct PunsterMapping* before = mappings_of(self); before < m; ++before)
    if (before->kind == PUNSTER_OVERLAY) offset += (uint64_t)before->pages * page_bytes;
  return map_over(m, self->bias, fd, offset);
}

// An overlay lies within one segment; emit sees to that.
static int restore(const struct Object* self, long fd, const struct PunsterMapping* m) {
  if (self->originals) return restore_from_copy(self, fd, m);
  struct elf64_hdr file;
  if (sys_pread(fd, &file, sizeof file, 0) != (long)sizeof file) return 0;
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    struct elf64_phdr p;
    if (sys_pread(fd, &p, sizeof p, file.e_phoff + i * sizeof p) != (long)sizeof p) return 0;
    const uint64_t lo = p.p_vaddr & -(uint64_t)page_bytes;
    if (p.p_type == PT_LOAD && lo <= m->address && m->address < p.p_vaddr + p.p_memsz)
      return map_over(m, self->bias, fd, p.p_offset - p.p_vaddr + m->address);
  }
  return 0;
}

const char* map_overlays(struct Object* self, long fd) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i) {
    if (m[i].kind != PUNSTER_OVERLAY ||
        map_over(&m[i], self->bias, fd, m[i].file_offset + self->shift))
      continue;
    for (uint32_t k = i; k-- > 0;)
      if (m[k].kind == PUNSTER_OVERLAY && !restore(self, fd, &m[k])) {
        say(self, "code is half patched and cannot be restored", 0, "raise vm.max_map_count");
        for (;;) syscall3(__NR_exit_group, 127, 0, 0);
      }
    return "patched code pages cannot be mapped (vm.max_map_count?)";
  }
  return 0;
}
