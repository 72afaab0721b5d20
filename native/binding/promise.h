#pragma once
#include <napi.h>

#include <functional>
#include <string>

#include "core/backend.h"

namespace qlora {

using Done = std::function<void(const std::string& error)>;

/**
 * A promise for the work that `start` begins. `start` gets a Done function; calling it with an empty text,
 * from any thread, resolves the promise with value(env), made on the JavaScript thread; any other text
 * rejects it. If the environment (for instance a worker) has ended before, nothing happens.
 */
Napi::Promise as_promise(Napi::Env env, const std::function<void(Done)>& start,
                         std::function<Napi::Value(Napi::Env)> value);

/**
 * Queues `work` after everything submitted to the backend and returns a promise. It resolves with
 * value(env), made on the JavaScript thread, or rejects with the first error of the queue since the last
 * promise.
 */
Napi::Promise finish_as_promise(Napi::Env env, Backend& backend, std::function<void()> work,
                                std::function<Napi::Value(Napi::Env)> value);

}  // namespace qlora
