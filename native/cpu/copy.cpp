#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

void CpuOps::copy(const Tensor& x, const Tensor& out) {
  if (x.dtype == out.dtype) {
    const char* from = x.data<char>();
    char* to = out.data<char>();
    parallel_for(static_cast<int64_t>(x.bytes()), 64 * kTile, [&](int64_t begin, int64_t end) {
      std::memmove(to + begin, from + begin, static_cast<size_t>(end - begin));
    });
    return;
  }
  FloatView from(x), to(out);
  for_tiles(x.numel(), [&](int64_t i, int64_t n) {
    float buffer[kTile];
    to.write(i, n, from.read(i, n, buffer));
  });
}

}  // namespace qlora::QLORA_ISA
