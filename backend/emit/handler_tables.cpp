#include "backend/emit/handler_tables.h"

#include <algorithm>

#include "backend/emit/pointer_encoding.h"

namespace punster {
namespace {

// DW_EH_PE_*
constexpr std::uint8_t left_out = 0xff, absolute_u4 = 0x03, distance_s4 = 0x1b;

struct CallSite {
  std::uint32_t start, size, landing_pad;
  std::uint64_t action;
};

unsigned uleb_size(std::uint64_t value) {
  unsigned size = 1;
  while (value >>= 7) ++size;
  return size;
}

/// Reads one table.
class Reader {
 public:
  Reader(const ElfView& input, const FrameEntry& entry, const BodyRow& row)
      : input_(input), entry_(entry), row_(row), body_(row.bodies.at(row.first).body) {}

  bool read() {
    const auto bytes = input_.bytes_at(*entry_.lsda, Bytes{~std::uint64_t{0}});
    ByteReader in(bytes, *entry_.lsda);
    const auto start_encoding = in.next<std::uint8_t>();
    pads_from_ = entry_.range.lo;
    if (start_encoding != left_out) {
      const auto start = read_pointer(in, start_encoding, Vaddr{});
      if (!start) return false;
      pads_from_ = *start;
    }
    types_encoding_ = in.next<std::uint8_t>();
    std::optional<Vaddr> types;
    if (types_encoding_ != left_out) {
      const auto distance = in.uleb();
      types = in.address() + Bytes{distance};
    }
    const auto encoding = in.next<std::uint8_t>();
    const auto size = in.uleb();
    const auto sites_at = in.address();
    ByteReader sites(in.take(size), sites_at);
    while (in.ok() && !sites.at_end())
      if (!call_site(sites, encoding)) return false;
    ByteReader actions(in.rest(), sites_at + Bytes{size});
    return in.ok() && sites.ok() && read_actions(actions.rest()) && read_types(types);
  }

  void write(PlacedBytes& out) const {
    out.put(distance_s4);
    out.put_distance(pads_from_);
    std::uint64_t sites_size = 0;
    for (const auto& site : sites_) sites_size += 12 + uleb_size(site.action);
    const std::uint64_t behind = 1 + uleb_size(sites_size) + sites_size + actions_.size();
    out.put(types_.empty() ? left_out : types_encoding_);
    if (!types_.empty()) out.put_uleb(behind + 4 * types_.size());
    out.put(absolute_u4);
    out.put_uleb(sites_size);
    for (const auto& site : sites_) {
      out.put(site.start);
      out.put(site.size);
      out.put(site.landing_pad);
      out.put_uleb(site.action);
    }
    out.bytes.insert(out.bytes.end(), actions_.begin(), actions_.end());
    for (auto type = types_.rbegin(); type != types_.rend(); ++type) {
      if (*type && is_distance())
        out.put_distance(**type);
      else
        out.put(static_cast<std::uint32_t>(type->value_or(Vaddr{}).value));
    }
  }

 private:
  bool call_site(ByteReader& in, std::uint8_t encoding) {
    const auto number = [&] { return read_pointer(in, encoding, Vaddr{}).value_or(Vaddr{}).value; };
    const auto start = number(), size = number(), pad = number();
    const auto action = in.uleb();
    if (!in.ok() || start > entry_.range.size().value || size > entry_.range.size().value - start ||
        pad > UINT32_MAX)
      return false;
    const auto lo = time_of(row_, entry_.range.lo + Bytes{start}),
               hi = time_of(row_, entry_.range.lo + Bytes{start + size});
    if (action > 0) first_actions_.push_back(action - 1);
    if (lo < hi)
      sites_.push_back({static_cast<std::uint32_t>((lo - body_).value),
                        static_cast<std::uint32_t>((hi - lo).value),
                        static_cast<std::uint32_t>(pad), action});
    return true;
  }

  /// Follows the chains of actions, which name types, to know how long both tables are.
  bool read_actions(std::span<const std::uint8_t> bytes) {
    std::size_t end = 0;
    for (auto at : first_actions_)
      for (unsigned steps = 0;; ++steps) {
        if (at > bytes.size() || steps == longest_chain) return false;
        ByteReader action(bytes.subspan(at), Vaddr{});
        const auto type = action.sleb();
        const auto next_from = at + action.position();
        const auto next = action.sleb();
        // Below 0: what an old exception specification allows, a table of its own.
        if (!action.ok() || type < 0 || type > most_types) return false;
        types_.resize(std::max(types_.size(), static_cast<std::size_t>(type)));
        end = std::max(end, at + action.position());
        if (next == 0) break;
        at = next_from + static_cast<std::uint64_t>(next);
      }
    actions_ = bytes.first(end);
    return true;
  }

  bool read_types(std::optional<Vaddr> behind) {
    if (types_.empty()) return true;
    const auto form = static_cast<std::uint8_t>(types_encoding_ & 0x7f);
    if (!behind || (form != distance_s4 && form != absolute_u4 && form != 0x0b)) return false;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const auto at = *behind - Bytes{4 * (i + 1)};
      ByteReader in(input_.bytes_at(at, Bytes{4}), at);
      types_[i] = read_pointer(in, form, Vaddr{});
      if (!in.ok()) return false;
    }
    return true;
  }

  [[nodiscard]] bool is_distance() const { return (types_encoding_ & 0x7f) == distance_s4; }

  static constexpr unsigned longest_chain = 1000;
  static constexpr std::int64_t most_types = 100000;

  const ElfView& input_;
  const FrameEntry& entry_;
  const BodyRow& row_;
  Vaddr body_, pads_from_;
  std::uint8_t types_encoding_ = left_out;
  std::vector<CallSite> sites_;
  std::vector<std::uint64_t> first_actions_;
  std::span<const std::uint8_t> actions_;
  std::vector<std::optional<Vaddr>> types_;  // nothing: catches all
};

}  // namespace

Vaddr time_of(const BodyRow& row, Vaddr location) {
  const auto k = std::min(row.last, body_at_or_behind(row.bodies, row.first, location));
  if (k > row.first) {
    const auto before = row.bodies.at(k - 1);
    const bool leaves_here = !before.calls && before.original + Bytes{before.length} == location;
    if (leaves_here) return before.body + Bytes{before.done};
    if (k == row.last) return before.body + Bytes{before.size};
  }
  return row.bodies.at(k).body;
}

std::optional<std::size_t> add_handler_table(const ElfView& input, const FrameEntry& entry,
                                             const BodyRow& row, PlacedBytes& out) {
  Reader reader(input, entry, row);
  if (!reader.read()) return std::nullopt;
  while (out.bytes.size() % 4) out.put(std::uint8_t{0});
  const auto at = out.bytes.size();
  reader.write(out);
  return at;
}

}  // namespace punster
