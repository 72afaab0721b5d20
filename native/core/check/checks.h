#pragma once
#include "core/ops.h"

namespace qlora {

/**
 * Checks each operation's arguments on the caller's thread, before it is submitted to any backend. A failed
 * check throws Error "[op] what: expected ..., got ..."; implementations do not check again.
 */
class Checks final : public Ops {
 public:
#define OP(name, arguments) void name arguments override;
#include "core/ops.inc"
#undef OP
};

}  // namespace qlora
