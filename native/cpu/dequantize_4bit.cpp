#include "cpu/four_bit.h"

namespace qlora::QLORA_ISA {

void CpuOps::dequantize_4bit(const Tensor& codes, const Tensor& absmax, const OptionalTensor& code_map,
                             const OptionalTensor& nested_absmax, const OptionalTensor& offset,
                             int64_t nested_blocksize, const Tensor& out, const std::string& quant_type,
                             int64_t blocksize) {
  const FourBit matrix{codes.data<uint8_t>(),
                       Maxima(absmax, code_map, nested_absmax, offset, nested_blocksize),
                       code_values(quant_type),
                       blocksize,
                       DType::f32,
                       DType::f32};
  const FloatView view(out);
  for_tiles(out.numel(), [&](int64_t i, int64_t n) {
    float buffer[kTile];
    float* y = view.place(i, buffer);
    matrix.read(i, n, y);
    view.write(i, n, y);
  });
}

}  // namespace qlora::QLORA_ISA
