#pragma once
#include "cuda/context.h"

namespace qlora::cuda {

/** out [m, n] int32 = a [m, k] @ b [n, k]^T of int8, exact: cuBLASLt on the tensor cores where the sizes fit
 * them, else a kernel of our own. */
void int8_product(const Context& context, const int8_t* a, const int8_t* b, int32_t* out, int64_t m,
                  int64_t n, int64_t k);

}  // namespace qlora::cuda
