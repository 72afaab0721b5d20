#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

template <typename T>
void fill_with(const Context& context, const Tensor& out, T value) {
  T* y = out.data<T>();
  launch_each(context, out.numel(), [=] __device__(int64_t i) { y[i] = value; });
}

}  // namespace

void CudaOps::fill(const Tensor& out, double value) {
  if (out.numel() == 0) return;
  if (value == 0) {
    check(cudaMemsetAsync(out.data<char>(), 0, out.bytes(), context_.stream), "[fill]");
    return;
  }
  switch (out.dtype) {
    case DType::i32:
      return fill_with(context_, out, static_cast<int32_t>(value));
    case DType::i64:
      return fill_with(context_, out, static_cast<int64_t>(value));
    case DType::u8:
      return fill_with(context_, out, static_cast<uint8_t>(value));
    case DType::i8:
      return fill_with(context_, out, static_cast<int8_t>(value));
    default:
      break;
  }
  const View to(out);
  const float x = static_cast<float>(value);
  const int64_t n = out.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    const float values[8] = {x, x, x, x, x, x, x, x};
    to.store8(i, n, values);
  });
}

}  // namespace qlora::cuda
