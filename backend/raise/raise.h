// Raising an image: adding a constant to all link-time addresses of a shared object or PIE, as
// prelinkers do, so that there are addresses below it for trampolines. See raise.cpp.

#pragma once

#include <span>
#include <vector>

#include "backend/emit/elf_view.h"

namespace punster {

/// The file offsets of all 8-byte words that hold a link-time address: ascending, disjoint, every
/// word inside the file. O(n log n), n = words. Errors: kind "cannot_raise", with the reason: a
/// kind of file that must stay where it is, an address that nobody here knows how to move, or one
/// that leads nowhere; "malformed" for truncated tables.
Result<std::vector<FileOffset>> address_words(const ElfView& input);

/// What a raise must be a multiple of: the largest alignment of a segment or section, at least 2
/// MiB. Error: "cannot_raise", an alignment that is no power of two or is above 1 GiB.
Result<Bytes> raise_unit(const ElfView& input);

/// The same file, all its addresses higher by `by`; file offsets stay. Preconditions: `words` are
/// those of address_words(), `by` is a multiple of raise_unit(). Errors: those of ElfView::open().
Result<ElfView> raised(const ElfView& input, std::span<const FileOffset> words, Bytes by);

}  // namespace punster
