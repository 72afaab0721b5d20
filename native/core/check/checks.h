#pragma once
#include "core/ops.h"

namespace qlora {

/**
 * The door: each operation's arguments are checked here, on the caller's thread, before it is submitted to
 * any backend. A failed check throws Error "[op] what: expected ..., got ..."; implementations then trust
 * them.
 */
class Checks final : public Ops {
 public:
#define OP(name, arguments) void name arguments override;
#include "core/ops.inc"
#undef OP
};

}  // namespace qlora
