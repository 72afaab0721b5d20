#pragma once
#include <napi.h>

namespace qlora {

void export_device_functions(Napi::Object exports);
void export_tensor_functions(Napi::Object exports);
void export_operations(Napi::Object exports);
void export_recording_functions(Napi::Object exports);
void export_size_functions(Napi::Object exports);
void export_ggml_functions(Napi::Object exports);
void export_group_functions(Napi::Object exports);

}  // namespace qlora
