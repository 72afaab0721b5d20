#pragma once
#include <memory>
#include <string>

#include "core/ops.h"

namespace qlora {

/** "avx512", "avx2" or "baseline": the best of the compiled ones that this CPU has; QLORA_ISA in the
 * environment picks a lower one. */
std::string choose_isa();
std::unique_ptr<Ops> make_ops_for(const std::string& isa);
/** AVX512-BF16 (vdpbf16ps) present and allowed. */
bool has_bf16_dot();
/** Subnormals are zero on this thread from now on, as on a GPU: they cost hundreds of cycles and carry
 * nothing. */
void flush_subnormals_here();

}  // namespace qlora
