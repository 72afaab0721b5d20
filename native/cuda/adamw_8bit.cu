#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::adamw_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes1,
                         const TensorList& absmax1, const TensorList& codes2, const TensorList& absmax2,
                         const Tensor& signed_map, const Tensor& unsigned_map, const OptionalTensor& norm,
                         double max_norm, double lr, double beta1, double beta2, double eps,
                         double weight_decay, int64_t step) {
  const Adamw8bitRule rule(lr, beta1, beta2, eps, weight_decay, step);
  const Clip clip(norm, max_norm);
  launch_each_state_block<6, 2>(
      context_, {&params, &grads, &codes1, &absmax1, &codes2, &absmax2},
      {{signed_map.data<float>(), unsigned_map.data<float>()}},
      [=] __device__(const TensorTable<6>& table, const float(*maps)[256], int t, int64_t i, int64_t n) {
        const View& p_view = table.views[0][t];
        const CodedMoment<true> first{table.views[2][t], table.views[3][t], maps[0]};
        const CodedMoment<false> second{table.views[4][t], table.views[5][t], maps[1]};
        const float factor = clip.factor();
        float p[8], g[8], m[8], v[8];
        p_view.load8(i, n, p);
        table.views[1][t].load8(i, n, g);
        first.load(i, n, m);
        second.load(i, n, v);
        for (int j = 0; j < 8; j++) rule.update(p[j], g[j] * factor, m[j], v[j]);
        p_view.store8(i, n, p);
        first.store(i, n, m);
        second.store(i, n, v);
      });
}

}  // namespace qlora::cuda
