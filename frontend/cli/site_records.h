// The file of sites: one JSON line per site, in address order, as README.md of this directory describes.
// Scripts, `punster explain` and `punster verify` read it.

#pragma once

#include <functional>
#include <string>

#include "frontend/cli/file_draft.h"
#include "frontend/cli/selection.h"
#include "protocol/messages.h"

namespace punster {

/// Writes the file while pages of results come in.
class SiteRecordWriter {
 public:
  /// Borrows both. Errors: "unwritable".
  static Result<SiteRecordWriter> open(const std::string& path, const Subject& subject,
                                       const Selection& selection);
  void write(const ResultsReply& page);
  Result<void> keep() { return draft_.keep(); }

 private:
  SiteRecordWriter(FileDraft draft, const Subject& subject, const Selection& selection)
      : draft_(std::move(draft)), subject_(subject), selection_(selection) {}
  FileDraft draft_;
  const Subject& subject_;
  const Selection& selection_;
  std::size_t next_ = 0;  // into Selection::sites: results come in the same order
};

/// Calls `take` with every line of the file, parsed, and its number. Errors: "unreadable", or
/// "bad_site_file" naming the line.
Result<void> read_site_records(const std::string& path,
                               const std::function<void(const Json&)>& take);

}  // namespace punster
