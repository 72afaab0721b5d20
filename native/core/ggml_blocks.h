#pragma once
#include <cstdint>
#include <string>

namespace qlora {

/** One of ggml's block formats: values per block, bytes per block, and the function that writes a block. */
struct GgmlFormat {
  const char* name;
  int64_t values;
  int64_t bytes;
  /** Writes one block of `values` floats. */
  void (*block)(const float* x, uint8_t* out);
};

/** Throws unless the name is Q4_0, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K. */
const GgmlFormat& ggml_format(const std::string& name);

}  // namespace qlora
