#pragma once
#include "core/tensor.h"

namespace qlora {

/** The maxima of 4-bit blocks: absmax float32, or q of quantize_absmax with the others, as ops.inc has them.
 */
struct BlockMaxima {
  Tensor absmax;
  OptionalTensor code_map, nested_absmax, offset;
  int64_t nested_blocksize = 0;
};

}  // namespace qlora
