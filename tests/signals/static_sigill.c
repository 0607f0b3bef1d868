// As sigill_own, linked otherwise.
// flags: -static
#include "sigill_own.c"
