#include "backend/emit/body_list.h"

namespace punster {

std::size_t body_at_or_behind(const BodyList& bodies, std::size_t k, Vaddr address) {
  std::size_t hi = bodies.size();
  while (k < hi) {
    const auto middle = k + (hi - k) / 2;
    if (bodies.at(middle).original < address)
      k = middle + 1;
    else
      hi = middle;
  }
  return k;
}

}  // namespace punster
