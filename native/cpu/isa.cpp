#include "cpu/isa.h"

#include <cstdlib>

#include "core/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qlora {

namespace baseline {
std::unique_ptr<Ops> make_ops();
}
#if defined(QLORA_X86)
namespace avx2 {
std::unique_ptr<Ops> make_ops();
}
namespace avx512 {
std::unique_ptr<Ops> make_ops();
}
#endif

namespace {

int level_of(const std::string& isa) {
  if (isa == "avx512") return 2;
  if (isa == "avx2") return 1;
  if (isa == "baseline") return 0;
  fail("QLORA_ISA: expected avx512, avx2 or baseline, got '", isa, "'");
}

int cpu_level() {
#if defined(QLORA_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

}  // namespace

std::string choose_isa() {
  const char* wanted = std::getenv("QLORA_ISA");
  int level = cpu_level();
  if (wanted && *wanted && level_of(wanted) < level) level = level_of(wanted);
  return level == 2 ? "avx512" : level == 1 ? "avx2" : "baseline";
}

std::unique_ptr<Ops> make_ops_for(const std::string& isa) {
#if defined(QLORA_X86)
  if (isa == "avx512") return avx512::make_ops();
  if (isa == "avx2") return avx2::make_ops();
#endif
  return baseline::make_ops();
}

bool has_bf16_dot() {
#if defined(QLORA_X86)
  static const bool yes =
      choose_isa() == "avx512" && __builtin_cpu_supports("avx512bf16") && !std::getenv("QLORA_NO_BF16");
  return yes;
#else
  return false;
#endif
}

void flush_subnormals_here() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

}  // namespace qlora
