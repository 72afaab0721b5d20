#include <cmath>

#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

/** torch.optim.AdamW's scalars: computed in double, used in float. */
struct Scalars {
  float decay, lerp1, beta2, lerp2, root2, eps, step_size;
};

}  // namespace

/** Operation by operation as torch: with bfloat16 moments each result is rounded to bfloat16, with float32
 * moments only the stored parameter is. */
void CudaOps::adamw(const Tensor& param, const Tensor& grad, const Tensor& exp_avg, const Tensor& exp_avg_sq,
                    double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(step));
  const Scalars s{static_cast<float>(1 - lr * weight_decay),
                  static_cast<float>(1 - beta1),
                  static_cast<float>(beta2),
                  static_cast<float>(1 - beta2),
                  static_cast<float>(std::sqrt(correction2)),
                  static_cast<float>(eps),
                  static_cast<float>(lr / correction1)};
  const View p_view(param), g_view(grad), m_view(exp_avg), v_view(exp_avg_sq);
  const DType moments = exp_avg.dtype;
  const int64_t n = param.numel();
  launch_each8(context_, n, [=] __device__(int64_t i) {
    float p[8], g[8], m[8], v[8];
    p_view.load8(i, n, p);
    g_view.load8(i, n, g);
    m_view.load8(i, n, m);
    v_view.load8(i, n, v);
    for (int j = 0; j < 8; j++) {
      p[j] = rounded(moments, p[j] * s.decay);
      m[j] = rounded(moments, m[j] + s.lerp1 * (g[j] - m[j]));
      v[j] = rounded(moments, v[j] * s.beta2);
      v[j] = rounded(moments, v[j] + s.lerp2 * g[j] * g[j]);
      float denominator = rounded(moments, sqrtf(v[j]));
      denominator = rounded(moments, denominator / s.root2);
      denominator = rounded(moments, denominator + s.eps);
      p[j] -= s.step_size * m[j] / denominator;
    }
    p_view.store8(i, n, p);
    m_view.store8(i, n, m);
    v_view.store8(i, n, v);
  });
}

}  // namespace qlora::cuda
