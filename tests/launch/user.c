// Linked with the library.
#include <stdio.h>

int answer(int);
int main(void) { return printf("%d %d\n", answer(1), answer(2)) < 0; }
