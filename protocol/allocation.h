// How both programs allocate memory.

#pragma once

#include <malloc.h>

namespace punster {

/// To be called first in main(). Arrays of a quarter of a megabyte and more go back to the system
/// when they are freed. By default glibc keeps them from the second on, and the arrays of one phase
/// leave holes that those of the next do not fit: for git, every instruction a site, both programs
/// together 164 MB instead of 143, in the same time.
inline void return_freed_arrays() {
  mallopt(M_MMAP_THRESHOLD, 1 << 18);
}

}  // namespace punster
