#include "runtime/blob.h"

#include <cstring>

#include "blob_offsets.h"

extern "C" const std::uint8_t punster_blob_begin[], punster_blob_end[];

namespace punster {

RuntimeBlob runtime_blob() {
  RuntimeBlob blob{{punster_blob_begin, punster_blob_end},
                   blob_offset_of_entry,
                   blob_offset_of_init,
                   blob_offset_of_gate,
                   blob_offset_of_config,
                   0};
  std::memcpy(&blob.state_bytes, punster_blob_begin + blob_offset_of_state_bytes,
              sizeof blob.state_bytes);
  return blob;
}

}  // namespace punster
