#pragma once
#include <cstdint>

// Each writes one super-block of 256 values: sub-blocks with their own scales in few bits, and float16
// scales of these.
namespace qlora::ggml {

void q4_k(const float* x, uint8_t* out);
void q5_k(const float* x, uint8_t* out);
void q6_k(const float* x, uint8_t* out);

}  // namespace qlora::ggml
