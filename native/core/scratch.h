#pragma once
#include "core/ops.h"

namespace qlora {

/**
 * Bytes that an operation takes of its device's memory while it runs, beside its tensors: 0 unless a backend
 * says otherwise. The arguments are the operation's; only dtypes and shapes of the tensors may be looked at,
 * since they have neither memory nor a device.
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
