// As sigill_altstack, linked otherwise.
// flags: -static-pie
#include "sigill_altstack.c"
