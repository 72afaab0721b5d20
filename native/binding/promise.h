#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <string>

#include "core/backend.h"

namespace qlora {

/**
 * Queues `work` behind everything submitted to the backend and returns a promise. It resolves with
 * value(env), made on the JavaScript thread, or rejects with the first error of the queue since the last
 * promise.
 */
Napi::Promise finish_as_promise(Napi::Env env, Backend& backend, std::function<void()> work,
                                std::function<Napi::Value(Napi::Env)> value);

}  // namespace qlora
