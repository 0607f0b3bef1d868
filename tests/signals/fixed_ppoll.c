// As ppoll_full, linked otherwise.
// flags: -no-pie
#include "ppoll_full.c"
