// Takes what the dialect's translator sends and writes it down as one JSON array.

#pragma once

#include <unistd.h>

#include "protocol/dialect.h"

namespace punster::test {

struct RecordingSink : DialectSink {
  Json log = Json::array();
  template <typename T>
  Result<void> note(const char* method, const T& message) {
    log.push_back({{"method", method}, {"params", to_json(message)}});
    return success();
  }
  Result<void> binary(const BinaryRequest& m) override { return note("binary", m); }
  Result<void> options(const OptionsRequest& m) override { return note("options", m); }
  Result<void> trampoline(const TrampolineRequest& m) override { return note("trampoline", m); }
  Result<void> instructions(const InstructionsRequest& m) override {
    return note("instructions", m);
  }
  Result<void> patches(const PatchesRequest& m) override { return note("patches", m); }
  Result<void> reserve(const ReserveRequest& m) override { return note("reserve", m); }
  Result<void> emit(const EmitRequest& m) override { return note("emit", m); }
};

/// A readable descriptor with `text` in it, at its end.
inline int descriptor_of(std::string_view text) {
  FILE* file = tmpfile();
  fwrite(text.data(), 1, text.size(), file);
  fflush(file);
  const int fd = dup(fileno(file));
  fclose(file);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

/// What became of a dialect stream: the log, or the first error. `plain`: with the short way for
/// plain messages.
inline Result<Json> translate(std::string_view text, bool plain = true) {
  const int fd = descriptor_of(text);
  LineReader lines(fd);
  DialectReader reader(lines, "");
  RecordingSink sink;
  DialectTranslator translator(sink);
  auto run = [&]() -> Result<Json> {
    for (;;) {
      if (plain) {
        PUNSTER_TRY(const auto short_one, reader.next_plain());
        if (short_one) {
          PUNSTER_TRY(translator.take(*short_one));
          continue;
        }
      }
      PUNSTER_TRY(auto message, reader.next());
      if (!message) return std::move(sink.log);
      PUNSTER_TRY(translator.take(std::move(*message)));
    }
  };
  auto result = run();
  close(fd);
  return result;
}

}  // namespace punster::test
