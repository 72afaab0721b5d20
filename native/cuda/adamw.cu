#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::adamw(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                    const TensorList& exp_avg_sqs, const OptionalTensor& norm, double max_norm, double lr,
                    double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  const AdamwRule rule(lr, beta1, beta2, eps, weight_decay, step);
  const Clip clip(norm, max_norm);
  launch_each_entry<4>(
      context_, {&params, &grads, &exp_avgs, &exp_avg_sqs},
      [=] __device__(const TensorTable<4>& table, int t, int64_t i, int64_t n) {
        const View &p_view = table.views[0][t], &m_view = table.views[2][t], &v_view = table.views[3][t];
        const float factor = clip.factor();
        float p[8], g[8], m[8], v[8];
        p_view.load8(i, n, p);
        table.views[1][t].load8(i, n, g);
        m_view.load8(i, n, m);
        v_view.load8(i, n, v);
        for (int j = 0; j < 8; j++)
          rule.update(p[j], g[j] * factor, m[j], v[j], [&](float x) { return rounded(m_view.dtype, x); });
        p_view.store8(i, n, p);
        m_view.store8(i, n, m);
        v_view.store8(i, n, v);
      });
}

}  // namespace qlora::cuda
