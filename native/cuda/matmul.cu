#include "cuda/gemm.h"
#include "cuda/launch.cuh"
#include "cuda/scratch.h"

namespace qlora::cuda {

namespace {

/** The operand in `dtype`; converted into scratch memory if it has another one. */
const void* converted(const Context& context, const Operand& x, int64_t n, DType dtype,
                      const Scratch& scratch) {
  if (x.dtype == dtype) return x.data;
  const View from(const_cast<void*>(x.data), x.dtype), to(scratch.as<void>(), dtype);
  launch_each8(context, n, [=] __device__(int64_t i) {
    float values[8];
    from.load8(i, n, values);
    to.store8(i, n, values);
  });
  return to.data;
}

/** out = sum + beta * out */
void combine(const Context& context, float* sum, const Tensor& out, float beta) {
  const View from(sum, DType::f32), to(out);
  const int64_t n = out.numel();
  launch_each8(context, n, [=] __device__(int64_t i) {
    float x[8], old[8];
    from.load8(i, n, x);
    if (beta != 0.0f) {
      to.load8(i, n, old);
      for (int j = 0; j < 8; j++) x[j] += beta * old[j];
    }
    to.store8(i, n, x);
  });
}

void scale(const Context& context, const Tensor& out, float beta) {
  const View to(out);
  launch_each(context, out.numel(),
              [=] __device__(int64_t i) { to.store(i, beta == 0.0f ? 0.0f : beta * to.load(i)); });
}

}  // namespace

void product(const Context& context, Operand a, Operand b, const Tensor& out, int64_t k, double alpha,
             double beta, DType operand_dtype) {
  const int64_t m = out.shape[0], n = out.shape[1];
  if (m == 0 || n == 0) return;
  if (k == 0) return scale(context, out, static_cast<float>(beta));
  const ProductScratch needed = product_scratch(a.dtype, m * k, b.dtype, k * n, out, operand_dtype);
  const DType dtype = needed.dtype;
  if (dtype == DType::bf16 && context.gpu.capability < 80)
    fail(
        "[matmul] this GPU has no bfloat16 products (compute capability 8.0 and later have): use float16 or "
        "float32");
  const Scratch a_scratch(context, needed.a), b_scratch(context, needed.b), sum(context, needed.sum);
  Gemm gemm{};
  gemm.a = converted(context, a, m * k, dtype, a_scratch);
  gemm.b = converted(context, b, k * n, dtype, b_scratch);
  gemm.transpose_a = a.transpose;
  gemm.transpose_b = b.transpose;
  gemm.m = m;
  gemm.n = n;
  gemm.k = k;
  gemm.operands = dtype;
  gemm.alpha = static_cast<float>(alpha);
  // With 16-bit outputs and beta != 0, cuBLASLt rounds the product and then the sum, like the separate
  // addition of the reference libraries: an error of 2.4e-3 in bfloat16 instead of 1.7e-3, but no float32
  // copy of out.
  if (needed.sum == 0) {
    gemm.out = out.data<char>();
    gemm.result = out.dtype;
    gemm.beta = static_cast<float>(beta);
    context.blas.run(gemm);
    return;
  }
  gemm.out = sum.as<float>();
  gemm.result = DType::f32;
  context.blas.run(gemm);
  combine(context, sum.as<float>(), out, static_cast<float>(beta));
}

void CudaOps::matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b,
                     double alpha, double beta, const std::string& operand_dtype) {
  if (out.numel() == 0) return;
  product(context_, {a.data<char>(), a.dtype, transpose_a}, {b.data<char>(), b.dtype, transpose_b}, out,
          a.shape[transpose_a ? 0 : 1], alpha, beta, dtype_from_name(operand_dtype));
}

}  // namespace qlora::cuda
