// A raised file says the same as its original when every address in it is higher by one constant
// and nothing else differs. Proven by undoing it: the words that hold addresses are found in the
// *original*, the constant is taken off the same words of the patched file, and what every other
// check then sees must be the original's bytes. A word that the rewriter forgot, or raised without
// need, differs there.

#pragma once

#include <vector>

#include "frontend/verify/failure_log.h"
#include "frontend/verify/patched_image.h"

namespace punster {

/// Takes the raise off `patched`, its code overlays included. Does nothing to a file that is not
/// raised. Kinds "raise" (a raise that no loader could bear, or of a file that must stay where it
/// is).
void undo_raise(const PatchedImage& original, PatchedImage& patched, FailureLog& log);

/// The file offsets of 8-byte words of `original` that hold addresses, in no particular order;
/// where the dynamic section got new entries, those of `patched`. Words that lie in no file are
/// left out.
[[nodiscard]] std::vector<std::uint64_t> words_with_addresses(const PatchedImage& original,
                                                              const PatchedImage& patched);

}  // namespace punster
