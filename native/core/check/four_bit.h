#pragma once
#include "core/block_maxima.h"
#include "core/check/require.h"

namespace qlora {

/** The block sizes of bitsandbytes. */
inline void require_blocksize(const char* op, const char* what, int64_t blocksize) {
  if (blocksize < 32 || blocksize > 4096 || (blocksize & (blocksize - 1)) != 0)
    fail("[", op, "] ", what, ": expected a power of two from 32 to 4096, got ", blocksize);
}

/** Checks the codes of n elements in blocks. */
inline void require_four_bit(const char* op, const Tensor& codes, int64_t n, const std::string& quant_type,
                             int64_t blocksize) {
  require_one_of(op, "quant_type", quant_type, {"nf4", "fp4"});
  require_blocksize(op, "blocksize", blocksize);
  require_dtype(op, "codes", codes, DType::u8);
  require_numel(op, "codes", codes, (n + 1) / 2);
}

/** Checks the maxima of n elements in blocks of any kind. */
inline void require_maxima(const char* op, const Tensor& absmax, int64_t n, int64_t blocksize) {
  require_dtype(op, "absmax", absmax, DType::f32);
  require_numel(op, "absmax", absmax, (n + blocksize - 1) / blocksize);
}

/** Checks what is needed to decode n maxima, besides their codes. `size` is the name of their block size. */
inline void require_nested(const char* op, const Tensor& code_map, const Tensor& nested_absmax,
                           const Tensor& offset, int64_t n, const char* size, int64_t blocksize) {
  require_blocksize(op, size, blocksize);
  require_dtype(op, "code_map", code_map, DType::f32);
  require_numel(op, "code_map", code_map, 256);
  require_dtype(op, "nested_absmax", nested_absmax, DType::f32);
  require_numel(op, "nested_absmax", nested_absmax, (n + blocksize - 1) / blocksize);
  require_dtype(op, "offset", offset, DType::f32);
  require_numel(op, "offset", offset, 1);
}

/**
 * Checks float32 maxima like require_maxima, or the codes of double-quantized ones with all parts needed to
 * decode them.
 */
inline void require_any_maxima(const char* op, const BlockMaxima& maxima, int64_t n, int64_t blocksize) {
  const auto& [absmax, code_map, nested_absmax, offset, nested_blocksize] = maxima;
  if (!code_map && !nested_absmax && !offset) return require_maxima(op, absmax, n, blocksize);
  if (!code_map || !nested_absmax || !offset)
    fail("[", op, "] code_map, nested_absmax and offset: expected all three or none, got no ",
         !code_map        ? "code_map"
         : !nested_absmax ? "nested_absmax"
                          : "offset");
  const int64_t blocks = (n + blocksize - 1) / blocksize;
  require_dtype(op, "absmax", absmax, DType::u8);
  require_numel(op, "absmax", absmax, blocks);
  require_nested(op, *code_map, *nested_absmax, *offset, blocks, "nested_blocksize", nested_blocksize);
}

}  // namespace qlora
