// As sigill_siglongjmp, linked otherwise.
// flags: -static
#include "sigill_siglongjmp.c"
