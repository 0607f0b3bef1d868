/* Linked into every hook file: what punster/hook.h declares, what compilers call by themselves, and the routines that
 * the rewritten program's runtime calls at its start and its end.
 *
 * Compiled by the user's gcc or clang, with the flags of hooks: no libc, no vector registers. Loops that look like
 * memcpy must not become calls of it, hence no-tree-loop-distribute-patterns (gcc) and no-builtin (clang), set by
 * `punster cc`. */

#include <asm/unistd.h>
#include <elf.h>
#include <punster/hook.h>

typedef void (*Routine)(void);

/* What the linker provides, and what the hook may define. */
#define HIDDEN __attribute__((visibility("hidden")))
extern const char __ehdr_start[] HIDDEN;
extern const Elf64_Dyn _DYNAMIC[] HIDDEN;
extern const Routine __init_array_start[] HIDDEN, __init_array_end[] HIDDEN;
extern const Routine __fini_array_start[] HIDDEN, __fini_array_end[] HIDDEN;
void init(int argc, char** argv, char** envp, void* dynamic) __attribute__((weak));
void fini(void) __attribute__((weak));

/* -- What C requires -- */

void* memcpy(void* to, const void* from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) ((char*)to)[i] = ((const char*)from)[i];
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, bytes);
  while (bytes-- > 0) ((char*)to)[bytes] = ((const char*)from)[bytes];
  return to;
}

void* memset(void* to, int byte, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) ((char*)to)[i] = (char)byte;
  return to;
}

int memcmp(const void* a, const void* b, size_t bytes) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < bytes; ++i)
    if (x[i] != y[i]) return x[i] - y[i];
  return 0;
}

size_t strlen(const char* text) {
  size_t length = 0;
  while (text[length]) ++length;
  return length;
}

int strncmp(const char* a, const char* b, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    if (a[i] != b[i] || !a[i]) return (unsigned char)a[i] - (unsigned char)b[i];
  return 0;
}

int strcmp(const char* a, const char* b) { return strncmp(a, b, (size_t)-1); }

/* -- Output -- */

struct Sink {
  char* out;
  size_t size, length; /* `length` counts what does not fit, too */
};

static void put(struct Sink* sink, char c) {
  if (sink->length + 1 < sink->size) sink->out[sink->length] = c;
  ++sink->length;
}

static void put_padded(struct Sink* sink, const char* text, size_t length, int width, int left, char fill) {
  const int padding = width > (int)length ? width - (int)length : 0;
  size_t signs = 0; /* zeros stand behind the sign and the 0x */
  if (fill == '0') {
    if (length > 0 && text[0] == '-') signs = 1;
    if (length > 1 && text[0] == '0' && text[1] == 'x') signs = 2;
  }
  for (size_t i = 0; i < signs; ++i) put(sink, text[i]);
  for (int i = 0; i < padding && !left; ++i) put(sink, fill);
  for (size_t i = signs; i < length; ++i) put(sink, text[i]);
  for (int i = 0; i < padding && left; ++i) put(sink, ' ');
}

static size_t digits_of(uint64_t value, unsigned base, const char* digits, char* end) {
  size_t length = 0;
  do {
    *--end = digits[value % base];
    ++length;
  } while (value /= base);
  return length;
}

static int number_in(const char** format, va_list* arguments) {
  int value = 0;
  if (**format == '*') {
    ++*format;
    return va_arg(*arguments, int);
  }
  while (**format >= '0' && **format <= '9') value = value * 10 + *(*format)++ - '0';
  return value;
}

int hook_vsnprintf(char* out, size_t size, const char* format, va_list list) {
  struct Sink sink = {out, size, 0};
  va_list arguments;
  va_copy(arguments, list);
  for (; *format; ++format) {
    if (*format != '%') {
      put(&sink, *format);
      continue;
    }
    int left = 0, width, precision = -1, longs = 0, shorts = 0;
    char fill = ' ', buffer[32], *const end = buffer + sizeof buffer;
    for (++format; *format == '-' || *format == '0'; ++format) {
      if (*format == '-') left = 1;
      else fill = '0';
    }
    width = number_in(&format, &arguments);
    if (width < 0) {
      left = 1;
      width = -width;
    }
    if (*format == '.') {
      ++format;
      precision = number_in(&format, &arguments);
    }
    for (; *format == 'l' || *format == 'z' || *format == 'h'; ++format) {
      if (*format == 'h') ++shorts;
      else ++longs;
    }
    if (left) fill = ' ';
    const char conversion = *format;
    if (!conversion) break;
    if (conversion == 's') {
      const char* text = va_arg(arguments, const char*);
      if (!text) text = "(null)";
      size_t length = 0;
      while ((precision < 0 || length < (size_t)precision) && text[length]) ++length;
      put_padded(&sink, text, length, width, left, ' ');
    } else if (conversion == 'c') {
      const char c = (char)va_arg(arguments, int);
      put_padded(&sink, &c, 1, width, left, ' ');
    } else if (conversion == 'd' || conversion == 'i') {
      int64_t value = longs ? va_arg(arguments, long) : va_arg(arguments, int);
      if (shorts == 1) value = (int16_t)value;
      if (shorts > 1) value = (int8_t)value;
      size_t length = digits_of(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, "0123456789", end);
      if (value < 0) end[-(ptrdiff_t)++length] = '-';
      put_padded(&sink, end - length, length, width, left, fill);
    } else if (conversion == 'u' || conversion == 'x' || conversion == 'X' || conversion == 'p') {
      uint64_t value = longs || conversion == 'p' ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
      if (shorts == 1) value = (uint16_t)value;
      if (shorts > 1) value = (uint8_t)value;
      size_t length = digits_of(value, conversion == 'u' ? 10 : 16,
                                conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef", end);
      if (conversion == 'p') {
        end[-(ptrdiff_t)++length] = 'x';
        end[-(ptrdiff_t)++length] = '0';
      }
      put_padded(&sink, end - length, length, width, left, fill);
    } else {
      put(&sink, conversion); /* %% among them */
    }
  }
  va_end(arguments);
  if (size > 0) out[sink.length < size ? sink.length : size - 1] = 0;
  return (int)(sink.length < size ? sink.length : size ? size - 1 : 0);
}

int hook_snprintf(char* out, size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = hook_vsnprintf(out, size, format, arguments);
  va_end(arguments);
  return length;
}

static int write_formatted(int descriptor, const char* format, va_list arguments) {
  char line[1001];
  const int length = hook_vsnprintf(line, sizeof line, format, arguments);
  return (int)hook_syscall(__NR_write, descriptor, (long)line, length, 0, 0, 0);
}

int hook_printf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = write_formatted(2, format, arguments);
  va_end(arguments);
  return length;
}

int hook_fprintf(int descriptor, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = write_formatted(descriptor, format, arguments);
  va_end(arguments);
  return length;
}

/* -- The rest of hook.h -- */

enum { prot_read_write = 3, map_shared = 1, map_private = 2, map_anonymous = 32, o_rdwr_creat_cloexec = 02000102 };

static int is_error(long result) { return (unsigned long)result > (unsigned long)-4096; }

void* hook_map(size_t bytes) {
  const long at = hook_syscall(__NR_mmap, 0, (long)bytes, prot_read_write, map_private | map_anonymous, -1, 0);
  return is_error(at) ? NULL : (void*)at;
}

void hook_unmap(void* memory, size_t bytes) {
  hook_syscall(__NR_munmap, (long)memory, (long)bytes, 0, 0, 0, 0);
}

void* hook_share(const char* path, size_t bytes) {
  const long file = hook_syscall(__NR_open, (long)path, o_rdwr_creat_cloexec, 0666, 0, 0, 0);
  if (is_error(file)) return NULL;
  /* Made longer, never shorter. */
  long at = hook_syscall(__NR_lseek, file, 0, 2, 0, 0, 0);
  if (!is_error(at) && (size_t)at < bytes) at = hook_syscall(__NR_ftruncate, file, (long)bytes, 0, 0, 0, 0);
  if (!is_error(at)) at = hook_syscall(__NR_mmap, 0, (long)bytes, prot_read_write, map_shared, file, 0);
  hook_syscall(__NR_close, file, 0, 0, 0, 0, 0);
  return is_error(at) ? NULL : (void*)at;
}

int hook_thread(void) { return (int)hook_syscall(__NR_gettid, 0, 0, 0, 0, 0, 0); }
int hook_process(void) { return (int)hook_syscall(__NR_getpid, 0, 0, 0, 0, 0, 0); }

const char* hook_variable(char** envp, const char* name) {
  const size_t length = strlen(name);
  for (; envp && *envp; ++envp)
    if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=') return *envp + length + 1;
  return NULL;
}

long hook_number(const char* text) {
  const int negative = *text == '-';
  unsigned long value = 0, base = 10;
  text += negative;
  if (text[0] == '0' && text[1] == 'x') {
    base = 16;
    text += 2;
  }
  for (;; ++text) {
    const unsigned long digit = *text >= 'a' && *text <= 'f' ? (unsigned long)(*text - 'a') + 10
                                : *text >= '0' && *text <= '9' ? (unsigned long)(*text - '0') : base;
    if (digit >= base) return (long)(negative ? 0 - value : value);
    value = value * base + digit;
  }
}

void hook_exit(int status) {
  for (;;) hook_syscall(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

/* -- Start and end -- */

/* Pointers in the hook's variables hold link-time addresses: the file stands elsewhere now. */
static void relocate(void) {
  uintptr_t here = (uintptr_t)__ehdr_start;
  __asm__("" : "+r"(here)); /* compilers must not see that this is written through a constant's address */
  const Elf64_Rela* table = NULL;
  size_t bytes = 0;
  for (const Elf64_Dyn* entry = _DYNAMIC; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_RELA) table = (const Elf64_Rela*)(here + entry->d_un.d_ptr);
    if (entry->d_tag == DT_RELASZ) bytes = entry->d_un.d_val;
  }
  for (size_t i = 0; i < bytes / sizeof *table; ++i)
    *(uint64_t*)(here + table[i].r_offset) = here + (uint64_t)table[i].r_addend;
}

/* `punster patch` has these called where they have something to do. */
void punster_hook_start(int argc, char** argv, char** envp, void* dynamic) {
  relocate();
  for (const Routine* r = __init_array_start; r != __init_array_end; ++r)
    ((void (*)(int, char**, char**))*r)(argc, argv, envp);
  if (init) init(argc, argv, envp, dynamic);
}

/* Destructors that compilers register at run time instead of listing them; more than this are not run. */
static struct {
  void (*call)(void*);
  void* object;
} at_end[64];
static unsigned at_end_count;

void* __dso_handle HIDDEN = 0;

int __cxa_atexit(void (*call)(void*), void* object, void* dso) {
  (void)dso;
  if (at_end_count == sizeof at_end / sizeof at_end[0]) return -1;
  at_end[at_end_count].call = call;
  at_end[at_end_count++].object = object;
  return 0;
}

void punster_hook_end(void) {
  if (fini) fini();
  while (at_end_count > 0) {
    --at_end_count;
    at_end[at_end_count].call(at_end[at_end_count].object);
  }
  for (const Routine* r = __fini_array_end; r != __fini_array_start;) (*--r)();
}

/* A pure virtual function was called. */
void __cxa_pure_virtual(void) { __builtin_trap(); }
