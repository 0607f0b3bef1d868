// Message decoding: any JSON is refused with a place, or read into a struct that survives the way
// back.

#include <cstdlib>

#include "protocol/rpc.h"
#include "protocol/serve_messages.h"

using namespace punster;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

template <typename T>
void decode(const Json& json) {
  const auto message = parse_message<T>(json, "/params");
  if (message.has_error()) {
    require(message.error().kind == "bad_request" && message.error().where.starts_with("/params"));
    return;
  }
  const Json written = to_json(message.value());
  const auto again = parse_message<T>(written, "/params");
  require(again.has_value() && to_json(again.value()) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  auto parsed = parse_json({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (parsed.has_error()) return 0;
  Json& json = parsed.value();
  switch (data[0] % 16) {
    case 0:
      decode<InitializeRequest>(json);
      break;
    case 1:
      decode<BinaryRequest>(json);
      break;
    case 2:
      decode<OptionsRequest>(json);
      break;
    case 3:
      decode<TrampolineRequest>(json);
      break;
    case 4:
      decode<InstructionsRequest>(json);
      break;
    case 5:
      decode<PaddingRequest>(json);
      break;
    case 6:
      decode<PatchesRequest>(json);
      break;
    case 7:
      decode<ReserveRequest>(json);
      break;
    case 8:
      decode<CountersRequest>(json);
      break;
    case 9:
      decode<EmitRequest>(json);
      break;
    case 10:
      decode<ResultsRequest>(json);
      break;
    case 11:
      decode<ExplainRequest>(json);
      break;
    case 12:
      decode<OpenRequest>(json);
      break;
    case 13:
      decode<SitesRequest>(json);
      break;
    case 14:
      decode<RewriteRequest>(json);
      break;
    default: {
      Dispatcher nothing;
      if (const auto reply = nothing.serve(json)) require(reply->is_object() || reply->is_array());
    }
  }
  return 0;
}
