#include "frontend/verify/failure_log.h"

#include <algorithm>
#include <tuple>

namespace punster {

void FailureLog::add(Vaddr address, std::string kind, std::string message) {
  ++count_;
  ++by_kind_[kind];
  kept_.push_back({address, std::move(kind), std::move(message)});
  if (kept_.size() >= 2 * listed_ + 1000) keep_first();
}

void FailureLog::merge(FailureLog&& other) {
  count_ += other.count_;
  for (const auto& [kind, count] : other.by_kind_) by_kind_[kind] += count;
  std::move(other.kept_.begin(), other.kept_.end(), std::back_inserter(kept_));
}

void FailureLog::keep_first() {
  std::stable_sort(kept_.begin(), kept_.end(), [](const VerifyFailure& a, const VerifyFailure& b) {
    return std::tie(a.address, a.kind, a.message) < std::tie(b.address, b.kind, b.message);
  });
  if (kept_.size() > listed_) kept_.resize(listed_);
}

void FailureLog::report_to(VerifyReport& report) {
  keep_first();
  report.failure_count = count_;
  report.failures_by_kind = by_kind_;
  report.failures = kept_;
}

}  // namespace punster
