#include "binding/promise.h"

#include "binding/js_thread.h"

namespace qlora {

namespace {

/** Statuses are ignored: an ending environment refuses all of this, and nothing waits for the promise. */
void reject(napi_env env, napi_deferred deferred, const std::string& error) {
  napi_value text = nullptr, reason = nullptr;
  napi_create_string_utf8(env, error.data(), error.size(), &text);
  if (napi_create_error(env, nullptr, text, &reason) == napi_ok) napi_reject_deferred(env, deferred, reason);
}

}  // namespace

Napi::Promise as_promise(Napi::Env env, const std::function<void(Done)>& start,
                         std::function<Napi::Value(Napi::Env)> value) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) fail("[promise] the environment is ending");
  const std::shared_ptr<JsThread> thread = JsThread::of(env);
  start([thread, deferred, value = std::move(value)](const std::string& error) {
    thread->run([deferred, value, error](Napi::Env env) {
      if (!error.empty()) return reject(env, deferred, error);
      try {
        napi_resolve_deferred(env, deferred, value(env));
      } catch (const Napi::Error& e) {
        reject(env, deferred, e.what());
      }
    });
  });
  thread->expect_task();  // it runs on this thread, so it has not run yet
  return Napi::Promise(env, promise);
}

Napi::Promise finish_as_promise(Napi::Env env, Backend& backend, std::function<void()> work,
                                std::function<Napi::Value(Napi::Env)> value) {
  return as_promise(
      env, [&](Done done) { backend.finish(std::move(work), std::move(done)); }, std::move(value));
}

}  // namespace qlora
