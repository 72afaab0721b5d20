import { PartialState } from '../distributed/partial-state'

/** What scripts written for several processes ask of Python's accelerator. */
export class Accelerator extends PartialState {
  /** No plugins of distributed training. */
  readonly state: { readonly fsdp_plugin?: undefined; readonly deepspeed_plugin?: undefined } = {}
}
