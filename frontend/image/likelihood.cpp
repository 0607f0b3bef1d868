// Telling code from data where nothing refers to it.
//
// x86 is dense: most byte sequences decode, and a constant table of a cipher decodes for dozens of
// instructions. "It decodes" is therefore no evidence; what betrays data is *which* instructions come
// out. So we ask the question as a bet between two explanations of the same bytes and count in bits:
//
//   code  the instruction's form (prefixes, opcode, register or memory) is drawn as often as proven
//         code of this very file uses it (typical_forms.h helps out in small files); forms never seen
//         share a small part of the probability, vector forms a larger one, since hand-written vector
//         code stands beside compiled scalar code.
//   data  every byte is drawn alone: zeros often (small integers in tables), FF and text less so,
//         everything else evenly.
//
// Constants, addresses and ModRM weigh nothing: both explanations allow any. mov, lea, test earn about
// 5 to 10 bits each, `00 00` loses 10, an opcode nobody uses loses what it is worth. Trials add bits for
// what data hits only by luck: a branch to a known instruction start, a RIP-relative address inside
// the image.
//
// Measured: see trial.cpp, which sets the thresholds.

#include "frontend/image/likelihood.h"

#include <cmath>

#include "frontend/image/typical_forms.h"

namespace punster {
namespace {

// Pseudo-instructions that are added to what the file's own code shows.
constexpr double typical_weight = 448;  // distributed as in compiled code elsewhere
constexpr double unseen_weight = 64;    // spread over all forms

double data_bits(std::uint8_t byte) {
  if (byte == 0x00)
    return -3;
  if (byte == 0xff)
    return -5;
  if (byte >= 0x20 && byte < 0x7f)
    return -7.5;
  return -8.5;
}

}  // namespace

Likelihood::Likelihood(const Findings& findings) : code_bits_(form_count) {
  const double total =
      static_cast<double>(findings.instructions) + typical_weight + unseen_weight;
  std::vector<double> prior(form_count);
  for (std::size_t form = 0; form < form_count; ++form) {
    const bool vector = form >> 12 == 3;
    prior[form] = unseen_weight * std::exp2(vector ? -8.0 : -13.0);
  }
  for (const TypicalForm& typical : typical_forms)
    prior[typical.form] += typical_weight * typical.per_10000 / 10000.0;
  for (std::size_t form = 0; form < form_count; ++form)
    code_bits_[form] = static_cast<float>(std::log2((findings.forms[form] + prior[form]) / total));
}

double Likelihood::bits(const FlowInfo& info, std::span<const std::uint8_t> bytes) const {
  double sum = code_bits_[info.form];
  for (std::size_t i = 0; i < info.opcode_bytes; ++i)
    sum -= data_bits(bytes[i]);
  return sum;
}

}  // namespace punster
