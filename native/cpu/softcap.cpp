#include "cpu/tiles.h"
#include "cpu/vec_math.h"

namespace qlora::QLORA_ISA {

void CpuOps::softcap(const Tensor& x, const Tensor& out, double cap) {
  FloatView from(x), to(out);
  const float most = static_cast<float>(cap);
  for_tiles(x.numel(), [&](int64_t i, int64_t n) {
    float in_buffer[kTile], out_buffer[kTile];
    const float* a = from.read(i, n, in_buffer);
    float* y = to.place(i, out_buffer);
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < n; j++) y[j] = most * fast_tanh(a[j] / most);
    to.write(i, n, y);
  });
}

}  // namespace qlora::QLORA_ISA
