// args: one "two words" three
// Arguments, environment and locale reach main untouched.
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv, char** envp) {
  for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
  int variables = 0, foreign = 0;
  for (char** e = envp; *e; e++) variables++, foreign += (*e)[0] == 'P' && (*e)[1] == 'U' && (*e)[2] == 'N';
  setenv("LATER", "set", 1);
  printf("%d %d %s %s\n", variables > 0, foreign, getenv("LATER"), setlocale(LC_ALL, "C"));
  return 0;
}
