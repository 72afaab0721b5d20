#pragma once
#include <functional>
#include <string>

#include "core/backend.h"

namespace qlora {

/** Submits an operation, or keeps it where this thread is recording. */
void enqueue(Backend& backend, const char* op, std::function<void()> task);

/** Throws where this thread is recording: a function that is no operation cannot be repeated. */
void refuse_while_recording(const char* function);

}  // namespace qlora
