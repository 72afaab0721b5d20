#pragma once
#include "core/check/require.h"

namespace qlora {

/** codes and absmax hold n elements in blocks of bitsandbytes' sizes: powers of two, 32 to 4096. */
inline void require_four_bit(const char* op, const Tensor& codes, const Tensor& absmax, int64_t n,
                             const std::string& quant_type, int64_t blocksize) {
  require_one_of(op, "quant_type", quant_type, {"nf4", "fp4"});
  if (blocksize < 32 || blocksize > 4096 || (blocksize & (blocksize - 1)) != 0)
    fail("[", op, "] blocksize: expected a power of two from 32 to 4096, got ", blocksize);
  require_dtype(op, "codes", codes, DType::u8);
  require_numel(op, "codes", codes, (n + 1) / 2);
  require_dtype(op, "absmax", absmax, DType::f32);
  require_numel(op, "absmax", absmax, (n + blocksize - 1) / blocksize);
}

}  // namespace qlora
