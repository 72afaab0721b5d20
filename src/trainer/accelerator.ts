/** The properties that scripts for several processes read; the values are those of a single process. */
export interface Accelerator {
  readonly is_main_process: true
  readonly is_local_main_process: true
  readonly num_processes: 1
  readonly process_index: 0
  /** There are no plugins of distributed training. */
  readonly state: { readonly fsdp_plugin?: undefined; readonly deepspeed_plugin?: undefined }
  print(...values: unknown[]): void
  wait_for_everyone(): void
}

export const accelerator: Accelerator = {
  is_main_process: true,
  is_local_main_process: true,
  num_processes: 1,
  process_index: 0,
  state: {},
  print: (...values) => console.log(...values),
  wait_for_everyone: () => {},
}
