#include "cpu/cpu_ops.h"

namespace qlora::QLORA_ISA {

std::unique_ptr<Ops> make_ops() { return std::make_unique<CpuOps>(); }

}  // namespace qlora::QLORA_ISA
