#pragma once
#include <cstdint>
#include <string>

#include "core/block_maxima.h"

namespace qlora {

/**
 * Every operation of a backend; ops.inc documents each. Implementations include ops.inc with an OP that
 * adds `override`.
 */
class Ops {
 public:
  virtual ~Ops() = default;
#define OP(name, arguments) virtual void name arguments = 0;
#include "core/ops.inc"
#undef OP
};

}  // namespace qlora
