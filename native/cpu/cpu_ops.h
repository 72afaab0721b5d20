#pragma once
#include <memory>

#include "core/host_device.h"
#include "core/ops.h"

// Every file in cpu/ is compiled once per instruction set (CMakeLists.txt), each time into its own
// namespace; backend.cpp selects one at run time. These files may define code only inside namespace
// qlora::QLORA_ISA.
namespace qlora {
namespace QLORA_ISA {

class CpuOps final : public Ops {
 public:
#define OP(name, arguments) void name arguments override;
#include "core/ops.inc"
#undef OP
};

std::unique_ptr<Ops> make_ops();

}  // namespace QLORA_ISA
}  // namespace qlora
