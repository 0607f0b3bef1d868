// The compiler may call the first four by itself, whatever it was told about libc.

#include "object.h"

void* memcpy(void* to, const void* from, size_t size) {
  void* const result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memmove(void* to, const void* from, size_t size) {
  char* t = to;
  const char* f = from;
  if (t < f) return memcpy(to, from, size);
  while (size--) t[size] = f[size];
  return to;
}

void* memset(void* to, int byte, size_t size) {
  void* const result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return result;
}

int memcmp(const void* a, const void* b, size_t size) {
  const unsigned char *x = a, *y = b;
  for (; size; --size, ++x, ++y)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t length_of(const char* text) {
  size_t length = 0;
  while (text[length]) ++length;
  return length;
}

int equal(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

// Both return where the text now ends (a NUL stands there) and cut at `end`.
char* append(char* to, const char* end, const char* text) {
  while (*text && to + 1 < end) *to++ = *text++;
  *to = 0;
  return to;
}

char* append_hex(char* to, const char* end, uint64_t value) {
  char digits[17], *d = digits + sizeof digits;
  *--d = 0;
  do *--d = "0123456789abcdef"[value & 15];
  while (value >>= 4);
  return append(to, end, d);
}

char* append_decimal(char* to, const char* end, uint64_t value) {
  char digits[21], *d = digits + sizeof digits;
  *--d = 0;
  do *--d = (char)('0' + value % 10);
  while (value /= 10);
  return append(to, end, d);
}
