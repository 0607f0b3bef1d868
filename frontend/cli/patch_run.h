// One file rewritten, for whoever rewrites several.

#pragma once

#include "frontend/cli/interruption.h"
#include "frontend/cli/options.h"
#include "frontend/cli/run_report.h"

namespace punster {

struct PatchOutcome {
  int status = 0;  // as `punster patch` would exit
  RunReport report;
};

/// Does what `punster patch` does with one file, as a part of a larger work, but says nothing: what
/// went wrong is in the report. Its clean-ups are among those of `among` while it runs.
PatchOutcome patch_one(const PatchOptions& options, Interruption& among);

}  // namespace punster
