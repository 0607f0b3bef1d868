// The counters that payloads increment, in a file that others read while we run and that outlives
// us. Payloads address them directly, so there must be memory: when the file is not what it should
// be, it is anonymous memory, and one line says that nothing will be counted.

#include <asm/fcntl.h>
#include <linux/mman.h>

#include "object.h"
#include "syscall.h"

static int all_zero(const uint8_t* bytes, size_t size) {
  while (size && !bytes[size - 1]) --size;
  return size == 0;
}

// 0, or what is wrong with it.
static const char* check(const struct Object* self, long fd) {
  struct PunsterCounters file;
  const struct PunsterHeader* h = self->header;
  if (sys_pread(fd, &file, sizeof file, 0) != (long)sizeof file ||
      file.magic != PUNSTER_COUNTERS_MAGIC || file.abi_version != PUNSTER_ABI_VERSION)
    return "is not a counters file:";
  if (!all_zero(file.build_key, sizeof file.build_key) &&
      memcmp(file.build_key, h->build_key, sizeof file.build_key))
    return "counters belong to another output:";
  // Its last byte must exist, or the first increment past the end kills the program.
  char last;
  if (sys_pread(fd, &last, 1, h->counters_bytes - 1) != 1) return "counters file is too short:";
  return 0;
}

// Program headers made memory for the counters, and code has counted there since the first
// constructor. The file takes its place, with what was counted added. 0: it could not be had.
static int map_over_private(struct Object* self, uint64_t at, long fd) {
  const uint64_t bytes = self->header->counters_bytes;
  const long view = sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (is_error(view)) return 0;
  const uint64_t* const early = (const uint64_t*)at;
  uint64_t* const file = (uint64_t*)view;
  for (uint64_t i = page_bytes / sizeof *early; i < bytes / sizeof *early; ++i)
    if (early[i]) __atomic_fetch_add(&file[i], early[i], __ATOMIC_RELAXED);
  const long got = sys_mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  sys_munmap((uint64_t)view, bytes);
  return got == (long)at;
}

static int map_counters_file(struct Object* self, uint64_t at, long fd) {
  if (self->header->flags & PUNSTER_FLAG_HEADER_MAPPED) return map_over_private(self, at, fd);
  return map_new(self, at, self->header->counters_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

const char* map_counters(struct Object* self) {
  const struct PunsterHeader* h = self->header;
  if (h->counters_address == 0) return 0;
  const uint64_t at = h->counters_address + self->bias;
  const char* path = environment(self, "PUNSTER_COUNTERS");
  if (!path || !*path) path = (const char*)h + h->counters_path;
  const char* wrong = "counters file cannot be opened:";
  const long fd = sys_open(path, O_RDWR | O_CLOEXEC);
  if (!is_error(fd)) {
    wrong = check(self, fd);
    if (!wrong && !map_counters_file(self, at, fd)) wrong = "counters file cannot be mapped:";
    sys_close(fd);
    if (!wrong) return 0;
  }
  say(self, wrong, path, "this run is not counted (set PUNSTER_COUNTERS to a counters file)");
  if ((h->flags & PUNSTER_FLAG_HEADER_MAPPED) ||
      map_new(self, at, h->counters_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
              0))
    return 0;
  return "no memory for counters at their address";
}

void unmap_counters(struct Object* self) {
  // What program headers mapped, patched code goes on to use.
  if (self->header->counters_address && !(self->header->flags & PUNSTER_FLAG_HEADER_MAPPED))
    unmap_new(self, self->header->counters_address + self->bias, self->header->counters_bytes);
}

void count_traps(struct Object* self, struct Process* process) {
  if (process->trap_count) return;
  const char* const path = environment(self, "PUNSTER_TRAPS");
  if (!path || !*path) return;
  const long fd = sys_open(path, O_RDWR | O_CLOEXEC);
  if (is_error(fd)) {
    say(self, "file for the number of traps cannot be opened:", path, "they are not counted");
    return;
  }
  // Its last byte must exist, or the first trap kills the program.
  char last;
  const int long_enough = sys_pread(fd, &last, 1, sizeof *process->trap_count - 1) == 1;
  const long at =
      long_enough ? sys_mmap(0, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : -1;
  sys_close(fd);
  if (is_error(at))
    say(self, "file for the number of traps is shorter than 8 bytes:", path,
        "they are not counted");
  else
    process->trap_count = (uint64_t*)at;
}
