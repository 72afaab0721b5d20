#include "core/ggml_blocks.h"

#include "core/error.h"
#include "core/ggml_k_blocks.h"
#include "core/ggml_small_blocks.h"

namespace qlora {

const GgmlFormat& ggml_format(const std::string& name) {
  static const GgmlFormat all[] = {
      {"Q4_0", 32, 18, ggml::q4_0},   {"Q5_0", 32, 22, ggml::q5_0},   {"Q5_1", 32, 24, ggml::q5_1},
      {"Q8_0", 32, 34, ggml::q8_0},   {"Q4_K", 256, 144, ggml::q4_k}, {"Q5_K", 256, 176, ggml::q5_k},
      {"Q6_K", 256, 210, ggml::q6_k},
  };
  for (const GgmlFormat& format : all)
    if (name == format.name) return format;
  fail("[quantize_ggml] format: expected Q4_0, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K, got '", name, "'");
}

}  // namespace qlora
