#include "cuda/update.cuh"

namespace qlora::cuda {

void CudaOps::lion(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                   const OptionalTensor& norm, double max_norm, double lr, double beta1, double beta2,
                   double weight_decay) {
  update_with_moment(context_, params, grads, exp_avgs, Clip(norm, max_norm),
                     LionRule(lr, beta1, beta2, weight_decay));
}

void CudaOps::lion_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes,
                        const TensorList& absmax, const Tensor& signed_map, const OptionalTensor& norm,
                        double max_norm, double lr, double beta1, double beta2, double weight_decay) {
  const LionRule rule(lr, beta1, beta2, weight_decay);
  const Clip clip(norm, max_norm);
  launch_each_state_block<4, 1>(
      context_, {&params, &grads, &codes, &absmax}, {{signed_map.data<float>()}},
      [=] __device__(const TensorTable<4>& table, const float(*maps)[256], int t, int64_t i, int64_t n) {
        const View& p_view = table.views[0][t];
        const CodedMoment<true> moment{table.views[2][t], table.views[3][t], maps[0]};
        const float factor = clip.factor();
        float p[8], g[8], m[8];
        p_view.load8(i, n, p);
        table.views[1][t].load8(i, n, g);
        moment.load(i, n, m);
        for (int j = 0; j < 8; j++) rule.update(p[j], g[j] * factor, m[j]);
        p_view.store8(i, n, p);
        moment.store(i, n, m);
      });
}

}  // namespace qlora::cuda
