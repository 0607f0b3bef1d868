// Unwind rows for what does not stand in a row with the other bodies of its function: stubs, copies
// of bodies in their place, evicted instructions.
//
// Problem: a stub is five bytes at an address that a pun could reach. Each runs with the frame of
// one instruction of the original, its neighbours with those of others; and there are as many stubs
// as sites. A row that says everything takes 15 bytes.
//
// Neighbours are not strangers, though: a page of stubs holds those of a few functions, and most of
// a function runs with one frame. So, in the order of addresses and across functions:
//
//   a row is written only where the state differs from that of the piece before, and says only what
//   differs: mostly two bytes, DW_CFA_def_cfa_offset;
//   nobody runs in the holes between pieces, so a row may begin anywhere in the hole before its
//   piece: it does at the roundest address, because round distances compress better;
//   an FDE spans pages, and ends where a piece is of a function that nobody describes.
//
// git, every instruction patched: see README.md.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/emit/frame_writer.h"

namespace punster {

/// Appends FDEs for all pieces whose original has rows. Returns how many pieces that are. O(n log
/// m), n = pieces, m = rows of the original.
std::uint64_t scattered_rows(const CallFrames& frames, const BodyList& bodies, FrameWriter& out);

}  // namespace punster
