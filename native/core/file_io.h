#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qlora {

/** Reads exactly `bytes` bytes at `offset`; throws naming file, offset and how much was there. */
void read_range(const std::string& path, uint64_t offset, void* data, size_t bytes);
/** Writes exactly `bytes` bytes at `offset` of an existing file; throws with the system's reason (no space ...). */
void write_range(const std::string& path, uint64_t offset, const void* data, size_t bytes);

}  // namespace qlora
