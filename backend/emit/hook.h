// How the runtime gets control when the file is loaded.

#pragma once

#include "backend/emit/dynamic_section.h"
#include "backend/emit/edit.h"
#include "runtime/loader_abi.h"

namespace punster {

struct Hook {
  PunsterHook kind = PUNSTER_HOOK_NONE;
  Vaddr original_entry;            ///< where the runtime goes on; 0: nowhere
  std::vector<FileOffset> words;   ///< 8-byte words that are to hold the runtime's address; for
                                   ///< executables none: it is e_entry
  std::vector<FileEdit> edits;         ///< whatever else must change
};

/// `keep_loaded`: a signal handler will point into the object, so dlclose() must not unmap it.
/// Errors: "no_hook", and "unsupported" when it cannot be kept loaded.
Result<Hook> find_hook(const ElfView& input, bool keep_loaded);

}  // namespace punster
