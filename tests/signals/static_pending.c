// As sigill_pending, linked otherwise.
// flags: -static-pie
#include "sigill_pending.c"
