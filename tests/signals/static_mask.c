// As sigill_in_mask, linked otherwise.
// flags: -static
#include "sigill_in_mask.c"
