// How much of anything one message may hold, and why.

#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/address.h"

namespace punster {

/// Columns of one batch. Clients send 16,384 a time; four times that still parses in a few
/// milliseconds, and between two batches the service looks at cancellation and progress.
inline constexpr std::size_t max_batch_entries = 65536;
/// PATH_MAX: no system call takes more.
inline constexpr std::size_t max_path = 4096;
/// Trampolines, macros, tactics: names are printed in messages and tables.
inline constexpr std::size_t max_name = 256;
/// A longer instruction does not exist.
inline constexpr unsigned max_instruction = 15;
/// Insn packs an address and a length into 64 bits; no image is linked higher.
inline constexpr Vaddr max_address{std::uint64_t{1} << 59};
/// What one reservation may hold: a large patch binary is far below, and its
/// contents must fit into a line.
inline constexpr std::uint64_t max_reservation = std::uint64_t{1} << 28;
/// Columns of one `patches` batch: e9tool's richest trampolines use a dozen macros.
inline constexpr std::size_t max_columns = 256;
/// 8 GiB of counters: more sites than any file has instructions.
inline constexpr std::uint64_t max_counters = std::uint64_t{1} << 30;

}  // namespace punster
