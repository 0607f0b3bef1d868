// Frames of many shapes, for backtraces: pushes, a frame pointer, none, calls through pointers and
// libraries.
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int total;

__attribute__((noinline)) int leaf(int x) {
  total += x;
  return x * 3 + 1;
}

__attribute__((noinline)) int large(int x) {
  volatile char room[3000];
  for (int i = 0; i < 1024; i += 64) room[i] = (char)i;
  room[x & 1023] = (char)x;
  return room[(leaf(x) & 15) * 64] + x;
}

__attribute__((noinline)) int dynamic(int x) {
  char* room = alloca((unsigned)(x & 63) + 16);
  memset(room, x, 16);
  return leaf(room[3]) + x;
}

__attribute__((noinline)) int compare(const void* a, const void* b) {
  return *(const int*)a - *(const int*)b;
}

__attribute__((noinline)) int many_registers(int a, int b, int c, int (*f)(int)) {
  int sum = 0;
  for (int i = 0; i < 3; ++i) sum += f(a + i) * b - f(b) * c + f(c - i) * a;
  return sum;
}

__attribute__((noinline)) int early(int x, int y) {
  if (x < 0) return y;
  int numbers[] = {x, 3, y, 1};
  qsort(numbers, 4, sizeof numbers[0], compare);
  return many_registers(numbers[0], numbers[1], numbers[2], large) +
         many_registers(x, y, 2, dynamic);
}

int main(void) {
  char text[40];
  snprintf(text, sizeof text, "%d", early(5, 7) + early(-1, 1));
  printf("%s %d\n", text, total);
  return 0;
}
