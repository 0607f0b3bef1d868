// As sigill_in_mask, linked otherwise.
// flags: -Wl,-z,now -fno-plt
#include "sigill_in_mask.c"
