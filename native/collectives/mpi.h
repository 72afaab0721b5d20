#pragma once
#include <memory>

#include "collectives/collectives.h"

namespace qlora {

/**
 * A group over Open MPI, whose launcher started this process: MPI's own world. The library is opened at run
 * time; QLORA_MPI names another file than libmpi.so.40. Call it on the thread that will run the collectives.
 * Throws when there is no library, when the launcher is not MPI's, and a second time.
 */
std::shared_ptr<Collectives> open_mpi(const GroupPlace& place);

}  // namespace qlora
