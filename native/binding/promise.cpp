#include "binding/promise.h"

namespace qlora {

namespace {

struct Pending {
  Napi::Promise::Deferred deferred;
  std::function<Napi::Value(Napi::Env)> value;
  std::string error;
};

}  // namespace

Napi::Promise as_promise(Napi::Env env, const std::function<void(Done)>& start,
                         std::function<Napi::Value(Napi::Env)> value) {
  auto pending = std::make_shared<Pending>(Pending{Napi::Promise::Deferred::New(env), std::move(value), ""});
  Napi::Promise promise = pending->deferred.Promise();
  auto callback = Napi::ThreadSafeFunction::New(env, Napi::Function(), "qlora", 0, 1);
  start([pending, callback](const std::string& error) mutable {
    pending->error = error;
    // When the environment is going away (a terminated worker thread) the call is refused, and nobody waits.
    callback.NonBlockingCall([pending](Napi::Env env, Napi::Function) {
      if (!pending->error.empty()) {
        pending->deferred.Reject(Napi::Error::New(env, pending->error).Value());
        return;
      }
      try {
        pending->deferred.Resolve(pending->value(env));
      } catch (const Napi::Error& e) {
        pending->deferred.Reject(e.Value());
      }
    });
    callback.Release();
  });
  return promise;
}

Napi::Promise finish_as_promise(Napi::Env env, Backend& backend, std::function<void()> work,
                                std::function<Napi::Value(Napi::Env)> value) {
  return as_promise(
      env, [&](Done done) { backend.finish(std::move(work), std::move(done)); }, std::move(value));
}

}  // namespace qlora
