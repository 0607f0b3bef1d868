// A change to the original bytes of the file. There are few kinds (ELF header, hook, property bits, build
// id), and nothing else of the original changes.

#pragma once

#include <cstring>
#include <vector>

#include "protocol/address.h"

namespace punster {

struct FileEdit {
  FileOffset at;
  std::vector<std::uint8_t> bytes;
};

/// The edit that writes the bytes of `value`, a plain structure or integer, at `at`.
template <typename T>
[[nodiscard]] FileEdit edit_of(FileOffset at, const T& value) {
  std::vector<std::uint8_t> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return {at, std::move(bytes)};
}

}  // namespace punster
