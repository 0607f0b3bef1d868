// A client's own memory: code and data at addresses that it chose, or that we choose, and routines
// in it that run before and after the program.
//
// Every reservation becomes mappings of its own, since it has a protection of its own; trampolines
// and stubs keep clear of it. E9Patch's tool loads whole programs in this way, segment by segment.

#include <algorithm>

#include "backend/session/session_state.h"
#include "backend/trampoline/template.h"
#include "protocol/fields.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::int64_t page = 4096;

std::int64_t page_up(std::int64_t address) {
  return (address + page - 1) & ~(page - 1);
}

Contents contents_of(const std::string& protection) {
  if (protection.find('w') != std::string::npos) return Contents::variables;
  if (protection.find('x') != std::string::npos) return Contents::code;
  // Code is what a client that says nothing reserves.
  return protection.find('r') == std::string::npos ? Contents::code : Contents::constants;
}

/// The members of E9Patch's message that name routines, in the order in which they run.
struct NamedTime {
  const char* name;
  ClientCall::Time time;
};
constexpr NamedTime routines[] = {{"init", ClientCall::Time::init},
                                  {"fini", ClientCall::Time::fini}};
constexpr NamedTime raw_code[] = {{"preinit", ClientCall::Time::before_init},
                                  {"postinit", ClientCall::Time::after_init}};

}  // namespace

void Session::State::append_reserved(SharedPages& shared) const {
  for (const auto& data : reserved) {
    PageMapping mapping;
    mapping.address = vaddr(data.address);
    mapping.pages = static_cast<std::uint32_t>(data.bytes.size() / page);
    mapping.first_page = static_cast<std::uint32_t>(shared.pages.size() / page);
    mapping.contents = data.contents;
    shared.pages.insert(shared.pages.end(), data.bytes.begin(), data.bytes.end());
    shared.mappings.push_back(mapping);
    shared.virtual_pages += mapping.pages;
  }
}

Result<void> Session::State::check_free(std::int64_t lo, std::int64_t hi) const {
  const auto taken = [&](const char* by) {
    return error_in(
        "overlap",
        to_hex(vaddr(lo)) + " to " + to_hex(vaddr(hi)) + " is not free: " + by + " stands there",
        "/params/address");
  };
  if (lo < signed_address(room->footprint.header_table.hi) &&
      signed_address(room->footprint.image.lo) < hi)
    return taken("the program");
  if (lo < next_reserved && first_body_address(room->footprint) < hi)
    return taken("another reservation");
  if (std::any_of(reserved.begin(), reserved.end(),
                  [&](const Reserved& other) { return lo < other.end() && other.address < hi; }))
    return taken("another reservation");
  // Bodies begin above the image; a client's memory in their way would leave them nowhere to go.
  constexpr std::int64_t room_for_bodies = std::int64_t{256} << 20;
  if (lo < first_body_address(room->footprint) + room_for_bodies &&
      first_body_address(room->footprint) < hi)
    return error_in("no_room",
                    "trampolines go where " + to_hex(vaddr(lo)) +
                        " is; reserve further away, or without an address",
                    "/params/address");
  return success();
}

Result<Vaddr> Session::State::take_pages(std::optional<Vaddr> address,
                                         std::span<const std::uint8_t> bytes, std::uint64_t length,
                                         Contents contents) {
  const std::int64_t start = address ? signed_address(*address) : next_reserved;
  const std::int64_t lo = start & ~(page - 1);
  const std::int64_t hi =
      page_up(start + static_cast<std::int64_t>(std::max<std::uint64_t>(bytes.size(), length)));
  std::vector<std::uint8_t> pages(static_cast<std::size_t>(hi - lo));
  std::copy(bytes.begin(), bytes.end(), pages.begin() + (start - lo));
  if (address) {
    PUNSTER_TRY(check_free(lo, hi));
  } else {
    next_reserved = hi;
  }
  reserved.push_back({lo, std::move(pages), contents});
  return vaddr(start);
}

Result<void> Session::State::take_routines(const Json& raw) {
  for (const auto& [name, time] : routines) {
    const auto member = raw.find(name);
    if (member == raw.end()) continue;
    Vaddr address;
    if (const char* expected = read_value(*member, address))
      return error_in("bad_request", std::string("expected ") + expected,
                      pointer_to("/params", name));
    if (time == ClientCall::Time::fini && input->kind() == FileKind::dso)
      return error_in("unsupported", "a shared object has no end that a routine could run at",
                      pointer_to("/params", name));
    calls.push_back({address, time});
  }
  for (const auto& [name, time] : raw_code) {
    const auto member = raw.find(name);
    if (member == raw.end()) continue;
    PUNSTER_TRY(const auto code,
                Template::encode_data(*member, pointer_to("/params", name), Vaddr{}));
    PUNSTER_TRY(const auto at, take_pages(std::nullopt, code, 0, Contents::code));
    calls.push_back({at, time});
  }
  return success();
}

Result<ReserveReply> Session::reserve(const ReserveRequest& request) {
  PUNSTER_TRY(state_->need_input());
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(request.bytes.data()),
                        request.bytes.size());
  PUNSTER_TRY(const auto at, state_->take_pages(request.address, bytes, request.length,
                                                contents_of(request.protection)));
  if (request.raw.is_object()) {
    PUNSTER_TRY(state_->take_routines(request.raw));
  }
  state_->planned.reset();
  return ReserveReply{at};
}

}  // namespace punster
