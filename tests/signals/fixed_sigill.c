// As sigill_own, linked otherwise.
// flags: -no-pie
#include "sigill_own.c"
