// As threads_block_all, linked otherwise.
// flags: -static -pthread
#include "threads_block_all.c"
