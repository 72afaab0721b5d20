#include "cpu/tiles.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

namespace {

/**
 * a = x * cos, b = rotate_half(x) * sin for the heads of one token; rotate_half(x1, x2) = (-x2, x1). The
 * numbers of a head after the first 2 * half are unchanged: a = x, b = -0.
 */
void products(const float* x, const float* cosine, const float* sine, int64_t cols, int64_t head_dim,
              int64_t half, float* a, float* b) {
  for (int64_t h = 0; h < cols; h += head_dim) {
    for (int64_t j = h + 2 * half; j < h + head_dim; j++) a[j] = x[j], b[j] = -0.0f;
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < half; j++) {
      float first = x[h + j], second = x[h + half + j];
      a[h + j] = first * cosine[j];
      a[h + half + j] = second * cosine[j];
      b[h + j] = -second * sine[j];
      b[h + half + j] = first * sine[j];
    }
  }
}

}  // namespace

void CpuOps::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out,
                  int64_t head_dim, double scaling, bool inverse) {
  FloatView from(x), to(out);
  int64_t cols = x.cols(), half = inv_freq.numel();
  const int32_t* position = positions.data<int32_t>();
  const float* frequency = inv_freq.data<float>();
  float cos_scale = static_cast<float>(scaling), sin_scale = inverse ? -cos_scale : cos_scale;
  parallel_for(x.rows(), row_grain(2 * cols), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(3 * cols + 2 * half);
    float *in = buffer.data(), *a = in + cols, *b = a + cols, *cosine = b + cols, *sine = cosine + half;
    for (int64_t t = begin; t < end; t++) {
      float p = static_cast<float>(position[t]);
      for (int64_t j = 0; j < half; j++) {
        float s, c;
        fast_sincos(p * frequency[j], s, c);
        cosine[j] = c * cos_scale;
        sine[j] = s * sin_scale;
      }
      round_to(x.dtype, cosine, 2 * half);
      products(from.read(t * cols, cols, in), cosine, sine, cols, head_dim, half, a, b);
      round_to(x.dtype, a, 2 * cols);
      float* y = to.place(t * cols, a);
      for (int64_t j = 0; j < cols; j++) y[j] = a[j] + b[j];
      to.write(t * cols, cols, y);
    }
  });
}

}  // namespace qlora::QLORA_ISA
