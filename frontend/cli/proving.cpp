#include "frontend/cli/proving.h"

#include <algorithm>

#include "frontend/image/slack.h"
#include "protocol/hex.h"

namespace punster {

Result<VerifyReport> prove(const Subject& subject, VerifyRequest request, bool doubt_is_code) {
  std::vector<AddressRange> untouchable, padding;
  for (const ClassRange& range : subject.code.ranges) {
    if (range.kind == ByteClass::padding) padding.push_back(range.range);
    const bool risked = doubt_is_code && range.evidence != std::string_view("excluded");
    if (range.kind == ByteClass::data || (range.kind == ByteClass::doubt && !risked))
      untouchable.push_back(range.range);
  }
  for (const AddressRange& range : slack(subject.image)) padding.push_back(range);
  std::sort(padding.begin(), padding.end());
  request.code = {subject.code.instructions, untouchable, padding};
  return verify(request);
}

Json figures(const VerifyReport& report) {
  return {{"sites", report.sites},
          {"proven", report.proven},
          {"jumps", report.jumps},
          {"calls", report.calls},
          {"traps", report.traps},
          {"replaced", report.replaced},
          {"evicted", report.evicted},
          {"with_payload", report.with_payload},
          {"untouched", report.untouched},
          {"changed_bytes", report.changed_bytes},
          {"mappings", report.mappings},
          {"trampoline_pages", report.trampoline_pages},
          {"overlay_pages", report.overlay_pages},
          {"failures", report.failure_count}};
}

Json listed_failures(const VerifyReport& report) {
  Json list = Json::array();
  for (const VerifyFailure& failure : report.failures)
    list.push_back({{"address", to_hex(failure.address)},
                    {"kind", failure.kind},
                    {"message", failure.message}});
  return list;
}

}  // namespace punster
