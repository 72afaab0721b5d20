#pragma once
#include <string>

#include "cuda/launch.cuh"

// bitsandbytes' 4-bit blocks: element i of the flattened matrix is code[nibble i] * absmax[i / blocksize],
// where even elements are in the high nibble.
namespace qlora::cuda {

struct CodeValues {
  float value[16];
};

/** The 16 values of a quant_type, "nf4" or "fp4". */
inline CodeValues code_values(const std::string& quant_type) {
  if (quant_type == "nf4") {
    return {{-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
             -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
             0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
             0.7229568362236023f, 1.0f}};
  }
  return {{0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 0.5f, 2.0f / 12, 0.25f, -0.0f, -0.0625f / 12,
           -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f}};
}

/** Block maxima: float32, or codes of double-quantized ones (with a map). */
struct Maxima {
  const void* stored;
  const float *map = nullptr, *nested = nullptr, *offset = nullptr;
  int shift = 0, nested_shift = 0;  // block sizes are powers of two

  Maxima(const BlockMaxima& maxima, int64_t blocksize) : stored(maxima.absmax.data<void>()) {
    while ((int64_t{1} << shift) < blocksize) shift++;
    if (!maxima.code_map) return;
    map = maxima.code_map->data<float>();
    nested = maxima.nested_absmax->data<float>();
    offset = maxima.offset->data<float>();
    while ((int64_t{1} << nested_shift) < maxima.nested_blocksize) nested_shift++;
  }
};

static_assert(kThreads == 256, "a thread for each value of a code map");

/**
 * One block's maximum while it is loaded: the load starts early, and the value is computed when it is
 * needed.
 */
template <bool kNested>
struct Maximum {
  float of_block, of_maxima;
  uint32_t code;

  /** Of the block that has element i. */
  template <typename Index>
  static __device__ Maximum fetch(const Maxima& maxima, Index i) {
    const Index block = i >> maxima.shift;
    if constexpr (kNested)
      return {0, maxima.nested[block >> maxima.nested_shift],
              static_cast<const uint8_t*>(maxima.stored)[block]};
    else
      return {static_cast<const float*>(maxima.stored)[block], 0, 0};
  }

  /**
   * `map` is in shared memory and loaded by all threads. Rounded after the product and after the sum, as in
   * bitsandbytes.
   */
  __device__ float value(const float* map, float offset) const {
    if constexpr (kNested)
      return __fadd_rn(__fmul_rn(map[code], of_maxima), offset);
    else
      return of_block;
  }
};

/**
 * Rows of `in` elements are written to rows of `stride`, the rest of which becomes 0; both are multiples of
 * 8.
 */
struct WiderRows {
  uint32_t in = 0, stride = 0;
};

/** out = code * maximum, rounded to weight_dtype and then to out's dtype. */
void dequantize(const Context& context, const uint8_t* codes, const Maxima& maxima, View out, int64_t n,
                const std::string& quant_type, DType weight_dtype, WiderRows wider = {});

}  // namespace qlora::cuda
