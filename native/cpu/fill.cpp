#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

namespace {

template <typename T>
void fill_with(const Tensor& out, T value) {
  T* y = out.data<T>();
  for_tiles(out.numel(), [&](int64_t i, int64_t n) { std::fill(y + i, y + i + n, value); });
}

}  // namespace

void CpuOps::fill(const Tensor& out, double value) {
  switch (out.dtype) {
    case DType::f32:
      return fill_with(out, static_cast<float>(value));
    case DType::bf16:
      return fill_with(out, from_float<bf16_t>(static_cast<float>(value)));
    case DType::f16:
      return fill_with(out, from_float<f16_t>(static_cast<float>(value)));
    case DType::i32:
      return fill_with(out, static_cast<int32_t>(value));
    case DType::i64:
      return fill_with(out, static_cast<int64_t>(value));
    case DType::u8:
      return fill_with(out, static_cast<uint8_t>(value));
    case DType::i8:
      return fill_with(out, static_cast<int8_t>(value));
  }
}

}  // namespace qlora::QLORA_ISA
