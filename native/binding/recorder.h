#pragma once
#include <functional>
#include <string>

#include "core/backend.h"

namespace qlora {

/** Submits an operation, or stores it if this thread is recording. */
void enqueue(Backend& backend, const char* op, std::function<void()> task);

/** Throws if this thread is recording: a function that is not an operation cannot be replayed. */
void refuse_while_recording(const char* function);

}  // namespace qlora
