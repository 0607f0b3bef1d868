// What recursive descent leaves out inside a function whose extent is known.

#pragma once

#include "frontend/image/descent.h"

namespace punster {

/// For every unclaimed stretch of `function` that, padding aside, decodes from one end to the other
/// without a contradiction: adds its runs to `descent` as certain. Returns whether it added any.
bool fill_function(Claims& claims, const AddressRange& function, Descent& descent);

}  // namespace punster
