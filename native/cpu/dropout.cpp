#include <cmath>

#include "cpu/philox.h"
#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::dropout(const Tensor& x, const Tensor& out, double p, int64_t seed, int64_t stream,
                     int64_t substream) {
  FloatView from(x), to(out);
  int32_t threshold = static_cast<int32_t>(std::ceil(p * 0x1p24));  // u >= p, on the 24 bits of u
  float scale = static_cast<float>(1.0 / (1.0 - p));
  for_tiles(x.numel(), [&](int64_t i, int64_t n) {
    uint32_t words[kTile];
    float in_buffer[kTile], out_buffer[kTile];
    random_words({seed, stream, substream}, i, n, words);
    const float* a = from.read(i, n, in_buffer);
    float* y = to.place(i, out_buffer);
    QLORA_INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
      float kept = a[j] * scale;
      y[j] = static_cast<int32_t>(words[j] >> 8) >= threshold ? kept : 0.0f;
    }
    to.write(i, n, y);
  });
}

}  // namespace qlora::QLORA_ISA
