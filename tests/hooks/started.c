/* What init is given. */
#include <punster/hook.h>

static const char* variable;
static int arguments;

void init(int argc, char** argv, char** envp, void* dynamic) {
  arguments = argc;
  variable = hook_variable(envp, "HOOK_TEST");
  hook_printf("init %d %s %s %s\n", argc, argv[argc - 1], variable ? variable : "nothing", dynamic ? "dynamic" : "static");
}
void entry(void) { hook_printf("entry %d %s\n", arguments, variable); }
void fini(void) { hook_printf("fini\n"); }
