// A file mapped for reading, unmapped when the last owner goes.

#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "protocol/result.h"

namespace punster {

class MappedFile {
 public:
  /// Error kind "unreadable": cannot be opened, is not a regular file, cannot be mapped.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::span<const std::uint8_t> bytes_;
};

}  // namespace punster
