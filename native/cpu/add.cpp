#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::add(const Tensor& a, const Tensor& b, const Tensor& out, double alpha) {
  FloatView left(a), right(b), to(out);
  float factor = static_cast<float>(alpha);
  for_tiles(a.numel(), [&](int64_t i, int64_t n) {
    float a_buffer[kTile], b_buffer[kTile], out_buffer[kTile];
    const float* u = left.read(i, n, a_buffer);
    const float* v = right.read(i, n, b_buffer);
    float* y = to.place(i, out_buffer);
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < n; j++) y[j] = u[j] + factor * v[j];
    to.write(i, n, y);
  });
}

}  // namespace qlora::QLORA_ISA
