#include "binding/table.h"

#include "binding/operation.h"

namespace qlora {

void export_operations(Napi::Object exports) {
#define OP(name, arguments) export_operation(exports, #name, &Ops::name);
#include "core/ops.inc"
#undef OP
}

}  // namespace qlora
