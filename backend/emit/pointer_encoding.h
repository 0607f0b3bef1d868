// Pointers in .eh_frame and .eh_frame_hdr: a byte DW_EH_PE_* says how each is written.

#pragma once

#include "backend/emit/byte_reader.h"

namespace punster {

/// Reads one. Nothing for a null pointer, one that is only known at run time (indirect), and one
/// that is left out (0xff, which takes no bytes); the reader fails on what is no encoding at all.
std::optional<Vaddr> read_pointer(ByteReader& reader, std::uint8_t encoding, Vaddr data_base);

}  // namespace punster
