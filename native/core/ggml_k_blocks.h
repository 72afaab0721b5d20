#pragma once
#include <cstdint>

// One super-block of 256 values each: sub-blocks with scales of their own in few bits, and float16 scales of
// these.
namespace qlora::ggml {

void q4_k(const float* x, uint8_t* out);
void q5_k(const float* x, uint8_t* out);
void q6_k(const float* x, uint8_t* out);

}  // namespace qlora::ggml
