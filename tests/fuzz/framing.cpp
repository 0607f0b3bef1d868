// Framing and the dialect's filter: any bytes, in pieces of any size, end in lines, values and
// errors, and a value that was parsed is written and parsed to the same again.

#include "protocol/framing.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "protocol/dialect.h"

using namespace punster;

namespace {

/// Gives out `text` in pieces whose sizes its first byte decides.
class Pieces : public ByteSource {
 public:
  explicit Pieces(std::string_view text)
      : rest_(text), size_(text.empty() ? 1 : 1 + static_cast<unsigned char>(text[0]) % 61) {}
  ssize_t read(char* to, std::size_t room) override {
    const auto count = std::min({size_, room, rest_.size()});
    memcpy(to, rest_.data(), count);
    rest_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }

 private:
  std::string_view rest_;
  std::size_t size_;
};

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t most = 4096;
  {
    Pieces pieces(text);
    LineReader lines(-1, most, -1, &pieces);
    for (;;) {
      const auto line = lines.next();
      if (line.has_error()) {
        require(line.error().kind == "too_long");
        continue;
      }
      if (!line.value()) break;
      require(line.value()->size() <= most && line.value()->find('\n') == std::string_view::npos);
      const auto value = parse_json(*line.value());
      if (value.has_error()) continue;
      const auto again = parse_json(dump_json(value.value()));
      require(again.has_value() && dump_json(again.value()) == dump_json(value.value()));
    }
  }
  Pieces pieces(text);
  LineReader lines(-1, most, -1, &pieces);
  DialectReader dialect(lines, "");
  for (;;) {
    const auto plain = dialect.next_plain();
    if (plain.has_error()) break;
    if (plain.value()) continue;
    const auto message = dialect.next();
    if (message.has_error() || !message.value()) break;
    require(message.value()->is_object() || message.value()->is_array());
  }
  return 0;
}
