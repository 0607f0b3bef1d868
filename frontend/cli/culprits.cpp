// The search for culprits.
//
// A program breaks when a million of its instructions are patched, and works when none is. Halving
// the set at hand and keeping the half that breaks finds a single culprit, but goes astray when two
// sites do it together and each half works alone. So what is halved here is a *prefix*: the
// shortest one that breaks ends with an index without which it does not. That one is a culprit. If
// it needs others they stand before it, and are found the same way with the known ones always there
// (Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002, solve the general
// case; prefixes cost a logarithm for each culprit).
//
// That the program misbehaves with all patches and works without any is asked only when no answer
// so far has shown it.

#include "frontend/cli/culprits.h"

#include <algorithm>
#include <numeric>

namespace punster {
namespace {

class Search {
 public:
  Search(std::size_t count, const Misbehaves& misbehaves)
      : count_(count), misbehaves_(misbehaves) {}

  Result<std::vector<std::size_t>> run() {
    std::size_t length = count_;
    do {
      PUNSTER_TRY(const auto last, last_needed(length));
      if (last == 0 && !worked_) {
        PUNSTER_TRY(const bool without, fails_with(0));
        if (without)
          return error("check_always_fails",
                       "the check fails for the program without any patch, too");
      }
      known_.insert(known_.begin(), last);
      length = last;
      PUNSTER_TRY(const bool enough, known_suffice(length));
      if (enough) break;
      if (!failed_) {
        PUNSTER_TRY(const bool all, fails_with(length));
        if (!all) return std::vector<std::size_t>{};
      }
    } while (length > 0);
    return known_;
  }

 private:
  /// With the first `length` indices and the known culprits.
  Result<bool> fails_with(std::size_t length) {
    std::vector<std::size_t> set(length);
    std::iota(set.begin(), set.end(), std::size_t{0});
    set.insert(set.end(), known_.begin(), known_.end());
    PUNSTER_TRY(const bool fails, misbehaves_(set));
    (fails ? failed_ : worked_) = true;
    return fails;
  }

  /// Whether it misbehaves with the known ones alone. All before them are less than `length`: the
  /// prefix of none was asked about with the last one already, if that failed.
  Result<bool> known_suffice(std::size_t length) {
    if (length == 0 && failed_) return true;
    return fails_with(0);
  }

  /// The last index of the shortest prefix that fails, taking it that that of `length` > 0 does.
  Result<std::size_t> last_needed(std::size_t length) {
    std::size_t works = 0, fails = length;
    while (fails - works > 1) {
      const std::size_t middle = works + (fails - works) / 2;
      PUNSTER_TRY(const bool failed, fails_with(middle));
      (failed ? fails : works) = middle;
    }
    return fails - 1;
  }

  std::size_t count_;
  const Misbehaves& misbehaves_;
  std::vector<std::size_t> known_;        // ascending; all stand behind the prefix
  bool worked_ = false, failed_ = false;  // some answer was that it works, or misbehaves
};

}  // namespace

Result<std::vector<std::size_t>> find_culprits(std::size_t count, const Misbehaves& misbehaves) {
  if (count == 0) return std::vector<std::size_t>{};
  return Search(count, misbehaves).run();
}

}  // namespace punster
