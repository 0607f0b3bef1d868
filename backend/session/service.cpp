#include "backend/session/service.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/rpc.h"

namespace punster {

ServiceStop::ServiceStop() : fd_(eventfd(0, EFD_CLOEXEC)) {}

ServiceStop::~ServiceStop() {
  if (fd_ >= 0) close(fd_);
}

void ServiceStop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

ServiceEnd serve(int in, int out, ServiceStop& stop) {
  LineReader lines(in, max_line_bytes, stop.fd());
  auto first = lines.next();
  if (first.has_error()) {
    spdlog::error("{}", first.error().message);
    return ServiceEnd::failed;
  }
  if (!first.value()) return stop.interrupted() ? ServiceEnd::interrupted : ServiceEnd::done;
  if (auto message = parse_json(*first.value());
      message.has_value() && message.value().is_object()) {
    const auto method = message.value().find("method");
    if (method != message.value().end() && *method == "initialize")
      return serve_strictly(lines, out, stop, std::move(message).value());
  }
  return serve_dialect(lines, stop, std::string(*first.value()));
}

}  // namespace punster
