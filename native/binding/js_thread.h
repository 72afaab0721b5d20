#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

namespace qlora {

/**
 * The JavaScript thread of one environment (the main thread's or a worker's), for use by other threads: a
 * way to run something there. It can end at any moment. There is one per environment.
 */
class JsThread : public std::enable_shared_from_this<JsThread> {
 public:
  using Task = std::function<void(Napi::Env)>;

  /** The one of this environment; only on its JavaScript thread. */
  static std::shared_ptr<JsThread> of(Napi::Env env);

  /** Keeps the environment alive until one more task has run; only on the JavaScript thread. */
  void expect_task();
  /** Runs `task` on the JavaScript thread soon, or never if the environment has ended. From any thread. */
  void run(Task task);

 private:
  void open(napi_env env);
  static void run_task(napi_env env, napi_value, void* thread, void* task);

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // null after the environment has ended
  int expected_ = 0;                             // tasks yet to run
};

}  // namespace qlora
