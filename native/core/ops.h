#pragma once
#include <cstdint>
#include <string>

#include "core/tensor.h"

namespace qlora {

/** Every operation a backend has; ops.inc documents each. Implementations include ops.inc with OP(...) =
 * `override`. */
class Ops {
 public:
  virtual ~Ops() = default;
#define OP(...) virtual __VA_ARGS__ = 0;
#include "core/ops.inc"
#undef OP
};

}  // namespace qlora
