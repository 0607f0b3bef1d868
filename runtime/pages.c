// New memory at addresses that were fixed when the file was written. Whatever else happens, nobody
// else's mapping may be destroyed: MAP_FIXED_NOREPLACE, or a range that the loader reserved for us.

#include <asm/errno.h>
#include <linux/mman.h>

#include "object.h"
#include "syscall.h"

static int inside_span(const struct Object* self, uint64_t address, uint64_t bytes) {
  const uint64_t lo = self->header->span_lo + self->bias, hi = self->header->span_hi + self->bias;
  return address >= lo && address < hi && bytes <= hi - address;
}

int map_new(struct Object* self, uint64_t address, uint64_t bytes, int protection, int flags,
            long fd, uint64_t offset) {
  // Below an image that was loaded low; tools that watch system calls need not see such an attempt.
  if (address >> 47 || (address + bytes) >> 47) return 0;
  if (!self->reserved) {
    const long got = sys_mmap(address, bytes, protection, flags | MAP_FIXED_NOREPLACE, fd, offset);
    if (got == (long)address) return 1;
    // A kernel before 4.17 takes the address for a hint.
    if (!is_error(got)) sys_munmap((uint64_t)got, bytes);
    if (is_error(got) && got != -EEXIST) return 0;
    if (!inside_span(self, address, bytes) || !span_is_reserved(self)) return 0;
    self->reserved = 1;
  }
  flags |= inside_span(self, address, bytes) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  const long got = sys_mmap(address, bytes, protection, flags, fd, offset);
  if (got == (long)address) return 1;
  if (!is_error(got)) sys_munmap((uint64_t)got, bytes);
  return 0;
}

// A reservation is given back as a reservation: dlclose() will unmap all of it, so nothing of
// anybody else's may move in.
void unmap_new(struct Object* self, uint64_t address, uint64_t bytes) {
  if (self->reserved && inside_span(self, address, bytes))
    sys_mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
             0);
  else
    sys_munmap(address, bytes);
}

static void unmap_first(struct Object* self, uint32_t count) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < count; ++i)
    if (is_new_memory(m[i].kind))
      unmap_new(self, m[i].address + self->bias, (uint64_t)m[i].pages * page_bytes);
}

static int protection_of(uint32_t kind) {
  switch (kind) {
    case PUNSTER_CONSTANTS:
      return PROT_READ;
    case PUNSTER_VARIABLES:
      return PROT_READ | PROT_WRITE;
    default:
      return PROT_READ | PROT_EXEC;
  }
}

const char* map_trampolines(struct Object* self, long fd) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i) {
    if (!is_new_memory(m[i].kind)) continue;
    if (map_new(self, m[i].address + self->bias, (uint64_t)m[i].pages * page_bytes,
                protection_of(m[i].kind), MAP_PRIVATE, fd, m[i].file_offset + self->shift))
      continue;
    unmap_first(self, i);
    char* const end = self->state->value + path_bytes;
    append_hex(append(self->state->value, end, "0x"), end, m[i].address + self->bias);
    self->detail = self->state->value;
    return "trampolines cannot be mapped at";
  }
  return 0;
}

void unmap_trampolines(struct Object* self) {
  unmap_first(self, self->header->mapping_count);
}
