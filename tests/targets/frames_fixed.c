// flags: -no-pie -fno-pie
// At a fixed address an emulated call pushes its return address in one instruction.
#include "frames.c"
