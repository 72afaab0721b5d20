#include "binding/js_thread.h"

#include "core/error.h"

namespace qlora {

namespace {

void require_ok(napi_status status) {
  if (status != napi_ok) fail("[promise] the environment is ending");
}

}  // namespace

std::shared_ptr<JsThread> JsThread::of(Napi::Env env) {
  using Held = std::shared_ptr<JsThread>;
  if (auto* held = env.GetInstanceData<Held>()) return *held;
  auto thread = std::make_shared<JsThread>();
  thread->open(env);
  env.SetInstanceData(new Held(thread));
  return thread;
}

void JsThread::open(napi_env env) {
  auto* self = new std::shared_ptr<JsThread>(shared_from_this());
  napi_value name;
  require_ok(napi_create_string_utf8(env, "qlora", NAPI_AUTO_LENGTH, &name));
  const auto finalize = [](napi_env, void* held, void*) {
    delete static_cast<std::shared_ptr<JsThread>*>(held);
  };
  require_ok(napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, self, finalize, this,
                                             run_task, &function_));
  require_ok(napi_unref_threadsafe_function(env, function_));
  // Node deletes the function with the environment, whoever still holds it: after this hook it is never
  // called.
  const auto close = [](void* thread) {
    auto* ended = static_cast<JsThread*>(thread);
    std::lock_guard lock(ended->mutex_);
    ended->function_ = nullptr;
  };
  require_ok(napi_add_env_cleanup_hook(env, close, this));
}

void JsThread::expect_task() {
  if (expected_++ == 0) require_ok(napi_ref_threadsafe_function(nullptr, function_));
}

void JsThread::run(Task task) {
  auto held = std::make_unique<Task>(std::move(task));
  std::lock_guard lock(mutex_);
  if (function_ && napi_call_threadsafe_function(function_, held.get(), napi_tsfn_nonblocking) == napi_ok)
    held.release();
}

void JsThread::run_task(napi_env env, napi_value, void* data, void* task) {
  const std::unique_ptr<Task> held(static_cast<Task*>(task));
  if (!env) return;  // the environment ended while this task was queued
  auto* thread = static_cast<JsThread*>(data);
  if (--thread->expected_ == 0 && thread->function_) napi_unref_threadsafe_function(env, thread->function_);
  try {
    (*held)(env);
  } catch (...) {
    // Only an ending environment refuses what tasks do. Nothing can receive the error, and Node would abort
    // the process.
  }
}

}  // namespace qlora
