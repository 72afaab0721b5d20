#include "binding/recorder.h"

#include "binding/arguments.h"
#include "binding/table.h"

namespace qlora {

namespace {

/** The operations recorded so far. */
struct Recorder {
  Backend& backend;
  std::vector<Task> tasks;
};

thread_local Recorder* recorder = nullptr;

/** record(device, body): stores the operations that body calls, without running them, for `replay`. */
Napi::Value record(const Napi::CallbackInfo& info) {
  refuse_while_recording("record");
  Backend& backend = unwrap_device(info[0], {"record", 0});
  if (!info[1].IsFunction()) fail("[record] argument 1: expected a function");
  Recorder own{backend, {}};
  struct Guard {
    explicit Guard(Recorder& r) { recorder = &r; }
    ~Guard() { recorder = nullptr; }
  };
  {
    const Guard guard(own);
    info[1].As<Napi::Function>().Call({});
  }
  return wrap_recording(info.Env(), {&backend, backend.record(std::move(own.tasks))});
}

/** replay(recording): runs its operations in their order. */
Napi::Value replay(const Napi::CallbackInfo& info) {
  refuse_while_recording("replay");
  RecordingHandle& handle = unwrap_recording(info[0], {"replay", 0});
  if (!handle.recording) fail("[replay] argument 0: recording was disposed");
  handle.backend->replay(handle.recording);
  return info.Env().Undefined();
}

/** release_recording(recording) */
Napi::Value release_recording(const Napi::CallbackInfo& info) {
  unwrap_recording(info[0], {"release_recording", 0}).recording.reset();
  return info.Env().Undefined();
}

}  // namespace

void enqueue(Backend& backend, const char* op, std::function<void()> task) {
  if (!recorder) return backend.submit(op, std::move(task));
  if (&recorder->backend != &backend)
    fail("[", op, "] on ", backend.name(), ", but ", recorder->backend.name(), " is being recorded");
  recorder->tasks.push_back({op, std::move(task)});
}

void refuse_while_recording(const char* function) {
  if (recorder) fail("[", function, "] is no operation: it cannot be recorded");
}

void export_recording_functions(Napi::Object exports) {
  export_function(exports, "record", record);
  export_function(exports, "replay", replay);
  export_function(exports, "release_recording", release_recording);
}

}  // namespace qlora
