// The runtime as bytes. Only backend/emit includes this.

#pragma once

#include <cstdint>
#include <span>

namespace punster {

/// Position-independent code and constants: runs wherever it is mapped read + execute. Offsets are
/// in bytes from its start and come from its symbol table.
struct RuntimeBlob {
  std::span<const std::uint8_t> bytes;
  std::uint64_t entry;        ///< e_entry of executables
  std::uint64_t init;         ///< DT_INIT, or a slot of DT_INIT_ARRAY
  std::uint64_t gate;         ///< where displaced `syscall` instructions come by
  std::uint64_t config;       ///< where a PunsterConfig is to be filled in
  std::uint64_t state_bytes;  ///< what the state segment must hold at least
};

[[nodiscard]] RuntimeBlob runtime_blob();

}  // namespace punster
