#include "core/check/checks.h"
#include "core/check/four_bit.h"

namespace qlora {

void Checks::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax,
                           const std::string& quant_type, int64_t blocksize) {
  require_float("quantize_4bit", "x", x);
  require_four_bit("quantize_4bit", codes, x.numel(), quant_type, blocksize);
  require_maxima("quantize_4bit", absmax, x.numel(), blocksize);
}

void Checks::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q,
                             const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {
  require_dtype("quantize_absmax", "absmax", absmax, DType::f32);
  require_dtype("quantize_absmax", "q", q, DType::u8);
  require_numel("quantize_absmax", "q", q, absmax.numel());
  require_nested("quantize_absmax", code_map, nested_absmax, offset, absmax.numel(), "blocksize", blocksize);
}

void Checks::dequantize_4bit(const Tensor& codes, const BlockMaxima& maxima, const Tensor& out,
                             const std::string& quant_type, int64_t blocksize, int64_t in_features) {
  require_float("dequantize_4bit", "out", out);
  int64_t n = out.numel();
  if (in_features != 0) {
    if (in_features < 0 || in_features > out.cols() || in_features % 8 != 0)
      fail("[dequantize_4bit] in_features: expected a multiple of 8 up to out's ", out.cols(),
           " columns, got ", in_features);
    n = out.rows() * in_features;
  }
  require_four_bit("dequantize_4bit", codes, n, quant_type, blocksize);
  require_any_maxima("dequantize_4bit", maxima, n, blocksize);
}

}  // namespace qlora
