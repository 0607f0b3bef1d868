#include "frontend/image/address_use.h"

namespace punster {
namespace {
constexpr unsigned furthest = 32;  // instructions
}

AddressUse use_of_address(const Region& region, std::size_t lea) {
  const auto taken = decode_operands(region.bytes_from(lea), region.address(lea));
  if (!taken || taken->first >= 16)
    return AddressUse::unknown;
  std::uint16_t holders = static_cast<std::uint16_t>(1u << taken->first);
  const auto holds = [&](std::uint8_t reg) { return reg < 16 && (holders >> reg & 1) != 0; };
  std::size_t at = lea + region.length(lea);
  for (unsigned i = 0; i < furthest && at < region.size() && region.is_start(at); ++i) {
    const auto info = decode_operands(region.bytes_from(at), region.address(at));
    const FlowInfo flow = region.decode(at);
    if (!info)
      break;
    if (info->has_memory && info->verb != OperandInfo::Verb::lea && flow.kind != FlowKind::nop &&
        (holds(info->base) || (holds(info->index) && info->scale <= 1)))
      return AddressUse::accessed;
    const bool enters = info->verb == OperandInfo::Verb::call || info->verb == OperandInfo::Verb::jump;
    if (enters && !info->has_memory && holds(info->first))
      return AddressUse::entered;
    const bool copies = (info->verb == OperandInfo::Verb::mov && !info->has_memory && holds(info->second)) ||
                        (info->verb == OperandInfo::Verb::lea && holds(info->base)) ||
                        ((info->verb == OperandInfo::Verb::add || info->verb == OperandInfo::Verb::sub) &&
                         !info->has_memory && holds(info->first));
    if (!copies)
      holders = static_cast<std::uint16_t>(holders & ~info->writes);
    else if (info->first < 16)
      holders = static_cast<std::uint16_t>(holders | 1u << info->first);
    if (holders == 0 || flow.ends_flow() || flow.kind == FlowKind::call ||
        flow.kind == FlowKind::indirect_call)
      break;
    at += region.length(at);
  }
  return AddressUse::unknown;
}

}  // namespace punster
