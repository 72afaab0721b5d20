#include "core/check/checks.h"
#include "core/check/four_bit.h"

namespace qlora {

namespace {

void require_nested(const char* op, const Tensor& absmax, const Tensor& code_map, const Tensor& q,
                    const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {
  if (blocksize < 1) fail("[", op, "] blocksize: expected at least 1, got ", blocksize);
  require_dtype(op, "absmax", absmax, DType::f32);
  require_dtype(op, "code_map", code_map, DType::f32);
  require_numel(op, "code_map", code_map, 256);
  require_dtype(op, "q", q, DType::u8);
  require_numel(op, "q", q, absmax.numel());
  require_dtype(op, "nested_absmax", nested_absmax, DType::f32);
  require_numel(op, "nested_absmax", nested_absmax, (absmax.numel() + blocksize - 1) / blocksize);
  require_dtype(op, "offset", offset, DType::f32);
  require_numel(op, "offset", offset, 1);
}

}  // namespace

void Checks::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax,
                           const std::string& quant_type, int64_t blocksize) {
  require_float("quantize_4bit", "x", x);
  require_four_bit("quantize_4bit", codes, absmax, x.numel(), quant_type, blocksize);
}

void Checks::dequantize_4bit(const Tensor& codes, const Tensor& absmax, const Tensor& out,
                             const std::string& quant_type, int64_t blocksize) {
  require_float("dequantize_4bit", "out", out);
  require_four_bit("dequantize_4bit", codes, absmax, out.numel(), quant_type, blocksize);
}

void Checks::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q,
                             const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {
  require_nested("quantize_absmax", absmax, code_map, q, nested_absmax, offset, blocksize);
}

void Checks::dequantize_absmax(const Tensor& q, const Tensor& code_map, const Tensor& nested_absmax,
                               const Tensor& offset, const Tensor& absmax, int64_t blocksize) {
  require_nested("dequantize_absmax", absmax, code_map, q, nested_absmax, offset, blocksize);
}

}  // namespace qlora
