// As sigill_in_mask, linked otherwise.
// flags: -Wl,-z,lazy
#include "sigill_in_mask.c"
