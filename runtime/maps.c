// Reading /proc/self/maps, the only way for code to learn which file it came from, and what lies
// around it. The kernel hands it out in pieces that need not end at a line's end, so it is read by
// character.

#include <asm/errno.h>
#include <asm/fcntl.h>

#include "object.h"
#include "syscall.h"

struct Reader {
  long fd;
  char* buffer;
  long position, size;
};

static int open_maps(struct Object* self, struct Reader* reader) {
  reader->fd = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  reader->buffer = self->state->buffer;
  reader->position = reader->size = 0;
  return !is_error(reader->fd);
}

static int next(struct Reader* reader) {
  if (reader->position == reader->size) {
    reader->size = sys_read(reader->fd, reader->buffer, page_bytes);
    reader->position = 0;
    if (reader->size <= 0) {
      reader->size = 0;
      return -1;
    }
  }
  return (unsigned char)reader->buffer[reader->position++];
}

// Reads digits and the one character that ends them.
static uint64_t number(struct Reader* reader, unsigned base) {
  uint64_t value = 0;
  for (;;) {
    const int c = next(reader);
    if (c >= '0' && c <= '9')
      value = value * base + (unsigned)(c - '0');
    else if (base == 16 && c >= 'a' && c <= 'f')
      value = value * base + (unsigned)(c - 'a' + 10);
    else
      return value;
  }
}

// "7f00-7f10 r-xp 00001000 fd:01 1234      /path". The path goes to `path` when `wanted` lies
// inside.
static int read_entry(struct Reader* reader, struct MapsEntry* entry, uint64_t wanted, char* path) {
  const int first = next(reader);
  if (first < 0) return 0;
  --reader->position;
  entry->lo = number(reader, 16);
  entry->hi = number(reader, 16);
  while (next(reader) > ' ') {  // protection, p or s
  }
  number(reader, 16);  // offset
  entry->device = number(reader, 16) << 32;
  entry->device |= number(reader, 16);
  // No path: the line ends right here, or after one more space (older kernels).
  entry->inode = 0;
  int c;
  while ((c = next(reader)) >= '0' && c <= '9')
    entry->inode = entry->inode * 10 + (unsigned)(c - '0');
  while (c == ' ') c = next(reader);
  long length = 0;
  const int keep = path && entry->lo <= wanted && wanted < entry->hi;
  for (; c >= 0 && c != '\n'; c = next(reader))
    if (keep && length + 1 < path_bytes) path[length++] = (char)c;
  if (keep) path[length] = 0;
  return 1;
}

// Linux 6.11 and later answer for one address. Whoever maps hundreds of pieces must not have all of
// them read to it: with three rewritten libraries that took a quarter of the start of `ls`.
struct Query {
  uint64_t size, flags, address;
  uint64_t lo, hi, protection, page_size, offset, inode;
  uint32_t major, minor, name_size, build_id_size;
  uint64_t name, build_id;
};
_Static_assert(sizeof(struct Query) == 104, "as PROCMAP_QUERY has it");
enum { covering_or_next = 0x10 };
static const unsigned long procmap_query = 0xc0686611;

// The mapping at `address`, or else the next one above. -ENOENT: there is none; -ENOTTY: an older
// kernel.
static long query(long fd, uint64_t address, struct MapsEntry* entry, char* path) {
  struct Query q = {.size = sizeof q, .flags = covering_or_next, .address = address};
  q.name_size = path ? path_bytes : 0;
  q.name = (uint64_t)path;
  const long result = syscall3(__NR_ioctl, fd, (long)procmap_query, (long)&q);
  if (is_error(result)) return result;
  if (path && q.name_size == 0) path[0] = 0;
  *entry = (struct MapsEntry){q.lo, q.hi, q.inode, (uint64_t)q.major << 32 | q.minor};
  return 0;
}

int find_own_entry(struct Object* self, char* path) {
  struct Reader reader;
  const uint64_t address = (uint64_t)self->header;
  if (!open_maps(self, &reader)) return 0;
  int found = query(reader.fd, address, &self->own, path) == 0;
  while (!found && read_entry(&reader, &self->own, address, path))
    found = self->own.lo <= address && address < self->own.hi;
  sys_close(reader.fd);
  if (!found) self->own.hi = 0;
  return found;
}

// The next entry that reaches above `address`, or (older kernels) any before it.
static int next_entry(struct Reader* reader, uint64_t address, struct MapsEntry* entry) {
  const long result = query(reader->fd, address, entry, 0);
  return result == 0 || (result != -ENOENT && read_entry(reader, entry, 0, 0));
}

static int holds_a_trampoline(const struct Object* self, uint64_t lo, uint64_t hi) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i) {
    const uint64_t at = m[i].address + self->bias;
    if (m[i].kind != PUNSTER_OVERLAY && at < hi && lo < at + (uint64_t)m[i].pages * page_bytes)
      return 1;
  }
  return 0;
}

// A call that reads eight bytes and then fails for another reason, or because it cannot.
static int can_read(uint64_t address) {
  enum { no_such_change = 99 };
  return syscall6(__NR_rt_sigprocmask, no_such_change, (long)address, 0, sizeof(sigset_t), 0, 0) !=
         -EFAULT;
}

// Without /proc: nothing in it is free, and where our trampolines go, nothing can be read. Two
// things that hold of no address space where somebody else mapped something in between.
static int is_filled(struct Object* self, uint64_t lo, uint64_t hi) {
  if (!(self->header->flags & PUNSTER_FLAG_SHARED_OBJECT)) return 0;
  enum { at_once = page_bytes };  // pages; mincore() wants a byte for each
  while (lo < hi) {
    const uint64_t pages = (hi - lo) / page_bytes < at_once ? (hi - lo) / page_bytes : at_once;
    if (is_error(syscall3(__NR_mincore, (long)lo, (long)(pages * page_bytes),
                          (long)self->state->buffer)))
      return 0;
    lo += pages * page_bytes;
  }
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i)
    for (uint32_t page = 0; m[i].kind != PUNSTER_OVERLAY && page < m[i].pages; ++page)
      if (can_read(m[i].address + self->bias + (uint64_t)page * page_bytes)) return 0;
  return 1;
}

// ld.so (glibc's and musl's) maps the whole span of an object at once, from the object's file, and
// then the segments over it; what is left between them is still that first mapping, made
// inaccessible or not. The kernel does not do so for the program itself. So the span is ours when
// it has no hole, and everything in it comes from our file, except for anonymous memory outside of
// what we want (.bss).
int span_is_reserved(struct Object* self) {
  const uint64_t lo = self->header->span_lo + self->bias, hi = self->header->span_hi + self->bias;
  if (!self->own.hi && !find_own_entry(self, 0)) return is_filled(self, lo, hi);
  struct MapsEntry entry;
  struct Reader reader;
  if (!open_maps(self, &reader)) return 0;
  uint64_t covered = lo;
  while (covered < hi && next_entry(&reader, covered, &entry)) {
    if (entry.hi <= covered) continue;
    if (entry.lo > covered) break;
    const int from_our_file =
        entry.inode && entry.inode == self->own.inode && entry.device == self->own.device;
    if (!from_our_file && (entry.inode || holds_a_trampoline(self, entry.lo, entry.hi))) break;
    covered = entry.hi;
  }
  sys_close(reader.fd);
  return covered >= hi;
}
