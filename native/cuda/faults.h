#pragma once
#include <cstdint>
#include <string>

namespace qlora::cuda {

/**
 * An error that only a kernel can detect: a bad value in an int32 tensor. The first one stays until a
 * finish reports it.
 */
enum class FaultKind : int32_t {
  none,
  gather_rows,
  scatter_rows,
  add_rows,
  label,
  cu_start,
  cu_order,
  cu_end,
  cu_length
};

struct Fault {
  FaultKind kind;
  int32_t value;
  int64_t index;
  int64_t limit;  // the limit of the value
};

/** The message of a fault, equal to that of the CPU's operation. */
std::string describe(const Fault& fault);

}  // namespace qlora::cuda
