#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qlora {

/** Reads exactly `bytes` bytes at `offset`; throws naming file, offset and the number of bytes available. */
void read_range(const std::string& path, uint64_t offset, void* data, size_t bytes);
}  // namespace qlora
