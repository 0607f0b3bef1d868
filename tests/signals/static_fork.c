// As fork_inherits, linked otherwise.
// flags: -static
#include "fork_inherits.c"
