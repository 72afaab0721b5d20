#pragma once
#include "core/ops.h"

namespace qlora {

/**
 * Bytes of device memory that an operation needs while it runs, in addition to its tensors; 0 unless a
 * backend overrides it. The arguments are those of the operation, but only dtypes and shapes of the tensors
 * may be used, since they have neither memory nor a device.
 */
class ScratchBytes {
 public:
  virtual ~ScratchBytes() = default;
#define OP(name, arguments) \
  virtual int64_t name arguments const { return 0; }
#include "core/ops.inc"
#undef OP
};

}  // namespace qlora
