#pragma once
#include <memory>
#include <string>

#include "core/ops.h"

namespace qlora {

/**
 * "avx512", "avx2" or "baseline": the best compiled one that this CPU supports; the environment variable
 * QLORA_ISA selects a lower one.
 */
std::string choose_isa();
std::unique_ptr<Ops> make_ops_for(const std::string& isa);
/** Whether AVX512-BF16 (vdpbf16ps) is present and allowed. */
bool has_bf16_dot();
/**
 * From now on, subnormals are zero on this thread, as on a GPU: they cost hundreds of cycles and do not
 * matter.
 */
void flush_subnormals_here();

}  // namespace qlora
