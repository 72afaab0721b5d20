#pragma once
#include "core/tensor.h"

namespace qlora {

/**
 * The maxima of 4-bit blocks: absmax is float32; or it is q of quantize_absmax, and the others decode it;
 * see ops.inc.
 */
struct BlockMaxima {
  Tensor absmax;
  OptionalTensor code_map, nested_absmax, offset;
  int64_t nested_blocksize = 0;
};

}  // namespace qlora
