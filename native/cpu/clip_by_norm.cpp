#include "core/update_rules.h"
#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {
  const float factor = clip_factor(*norm.data<float>(), static_cast<float>(max_norm));
  if (factor == 1.0f) return;
  for (const Tensor& t : tensors) {
    FloatView view(t);
    for_tiles(t.numel(), [&](int64_t i, int64_t n) {
      float buffer[kTile];
      const float* x = view.read(i, n, buffer);
      float* y = view.place(i, buffer);
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < n; j++) y[j] = x[j] * factor;
      view.write(i, n, y);
    });
  }
}

}  // namespace qlora::QLORA_ISA
