#pragma once
#include <cstdint>

// Each writes one block of 32 values: scale (and minimum) as float16, then codes.
namespace qlora::ggml {

void q4_0(const float* x, uint8_t* out);
void q5_0(const float* x, uint8_t* out);
void q5_1(const float* x, uint8_t* out);
void q8_0(const float* x, uint8_t* out);

}  // namespace qlora::ggml
