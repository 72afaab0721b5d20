#pragma once
#include <napi.h>

#include <functional>
#include <string>

#include "core/backend.h"

namespace qlora {

using Done = std::function<void(const std::string& error)>;

/**
 * A promise of what `start` begins: it resolves with value(env), made on the JavaScript thread, when the Done
 * that start was given is called with an empty text, from whatever thread, and rejects with any other text.
 * When the environment (a worker, say) has ended by then, nothing happens: nobody waits any more.
 */
Napi::Promise as_promise(Napi::Env env, const std::function<void(Done)>& start,
                         std::function<Napi::Value(Napi::Env)> value);

/**
 * Queues `work` behind everything submitted to the backend and returns a promise. It resolves with
 * value(env), made on the JavaScript thread, or rejects with the first error of the queue since the last
 * promise.
 */
Napi::Promise finish_as_promise(Napi::Env env, Backend& backend, std::function<void()> work,
                                std::function<Napi::Value(Napi::Env)> value);

}  // namespace qlora
