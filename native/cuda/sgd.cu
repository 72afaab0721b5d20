#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::sgd(const TensorList& params, const TensorList& grads, const TensorList& buffers,
                  const OptionalTensor& norm, double max_norm, double lr, double momentum, double dampening,
                  bool nesterov, double weight_decay, bool first) {
  const bool has_buffers = !buffers.empty();
  const SgdRule rule(lr, momentum, dampening, nesterov, weight_decay, first || !has_buffers);
  const Clip clip(norm, max_norm);
  launch_each_entry<3>(context_, {&params, &grads, has_buffers ? &buffers : &params},
                       [=] __device__(const TensorTable<3>& table, int t, int64_t i, int64_t n) {
                         const View &p_view = table.views[0][t], &m_view = table.views[2][t];
                         const float factor = clip.factor();
                         float p[8], g[8], m[8];
                         p_view.load8(i, n, p);
                         table.views[1][t].load8(i, n, g);
                         m_view.load8(i, n, m);
                         for (int j = 0; j < 8; j++) rule.update(p[j], g[j] * factor, m[j]);
                         p_view.store8(i, n, p);
                         if (has_buffers) m_view.store8(i, n, m);
                       });
}

}  // namespace qlora::cuda
