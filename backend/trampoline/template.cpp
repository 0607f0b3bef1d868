// The template that most sites have is ["$instr", "$break"]: a million of them must not cost a
// million small vectors. They take a path of their own here that touches no heap; everything else
// is expanded.
//
// CPU seconds for measure and encode of 635,000 sites (as many as git has), relocation planned in
// both calls / handed in: ["$instr", "$break"] 0.13 / 0.02; e9tool's [".Ltrampoline", "$empty",
// "$instr",
// "$BREAK"] 0.32 / 0.20; a counter whose slot is a number in the metadata 0.37 / 0.25, one whose
// slot is
// {"rel32": address}, compiled anew for each site, 0.56 / 0.40.

#include "backend/trampoline/template.h"

#include <cassert>

#include "backend/trampoline/compile.h"
#include "backend/trampoline/expansion.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr unsigned jump_size = 5;

BodyShape displaced_shape(const Relocation& relocation, bool omit_final_break) {
  const bool falls = relocation.fallthrough() == Fallthrough::always;
  const bool jumps = falls && !omit_final_break;
  return {.size = relocation.size() + (jumps ? jump_size : 0),
          .final_break = falls ? jump_size : 0,
          .runs_instruction = true,
          .fits_displaced = true,
          .emulates_call = relocation.emulates_call(),
          .retargets_call = relocation.retargets_call(),
          .ends_closed = !falls || jumps};
}

Result<void> encode_displaced(const TemplateSite& site, const Relocation& relocation, Vaddr at,
                              std::span<std::uint8_t> out) {
  const unsigned size = relocation.size();
  assert(out.size() == displaced_shape(relocation, site.omit_final_break).size);
  PUNSTER_TRY(relocation.encode(at, out.first(size),
                                relocation.direct_target() ? site.taken : std::nullopt));
  if (out.size() == size) return success();
  const Vaddr next = site.next.value_or(site.address + Bytes{site.length});
  const auto distance = displacement(at + Bytes{out.size()}, next);
  if (!distance)
    return error_at("out_of_range",
                    "the jump back from " + to_hex(at) + " does not reach " + to_hex(next),
                    site.address);
  const auto rel32 = static_cast<std::uint32_t>(*distance);
  out[size] = 0xe9;
  for (unsigned i = 0; i < 4; ++i) out[size + 1 + i] = static_cast<std::uint8_t>(rel32 >> (8 * i));
  return success();
}

}  // namespace

Result<Relocation> plan_instruction(const TemplateSite& site) {
  return Relocation::plan(site.bytes, site.address, site.fixed_address,
                          site.retarget_call ? CallForm::retargeted : CallForm::emulated,
                          site.syscall_gate);
}

Result<BodyShape> Template::measure(const TemplateSite& site) const {
  assert(site.bytes.size() >= site.length && site.length > 0);
  if (displaced_only_) {
    if (site.relocation) return displaced_shape(*site.relocation, site.omit_final_break);
    PUNSTER_TRY(const auto relocation, plan_instruction(site));
    return displaced_shape(relocation, site.omit_final_break);
  }
  TemplateExpansion expansion(&site);
  PUNSTER_TRY(expansion.expand(*this));
  return expansion.shape();
}

Result<void> Template::encode(const TemplateSite& site, Vaddr at,
                              std::span<std::uint8_t> out) const {
  assert(site.bytes.size() >= site.length && site.length > 0);
  if (displaced_only_) {
    if (site.relocation) return encode_displaced(site, *site.relocation, at, out);
    PUNSTER_TRY(const auto relocation, plan_instruction(site));
    return encode_displaced(site, relocation, at, out);
  }
  TemplateExpansion expansion(&site);
  PUNSTER_TRY(expansion.expand(*this));
  return expansion.encode(at, out);
}

Result<std::vector<std::uint8_t>> Template::encode_data(const nlohmann::json& code,
                                                        const std::string& where, Vaddr at) {
  PUNSTER_TRY(const auto compiled, compile_template(code, where, true));
  TemplateExpansion expansion(nullptr);
  PUNSTER_TRY(expansion.expand(compiled));
  std::vector<std::uint8_t> bytes(expansion.shape().size);
  PUNSTER_TRY(expansion.encode(at, bytes));
  return bytes;
}

}  // namespace punster
