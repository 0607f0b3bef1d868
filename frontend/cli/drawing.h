// A picture of the executable sections: where code, data, padding and doubt are.

#pragma once

#include <string>

#include "frontend/cli/selection.h"

namespace punster {

/// An SVG document; a page with it and the doubtful regions when `html`. Its bytes depend on the
/// subject alone.
[[nodiscard]] std::string draw(const Subject& subject, bool html);

}  // namespace punster
