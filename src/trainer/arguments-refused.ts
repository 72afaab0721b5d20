import type { Refused } from '../options/declaration'

const distributed = 'ranks are replicas that share the batches; see docs/distributed.md.'
const hub = 'uploading to the hub is not built.'
const resume = 'a run goes on exactly where its checkpoint was made.'
const full16 = 'evaluation uses the same number formats as training.'
const gone = 'it was removed in transformers 5; leave it out.'
const onlyOptim = 'no supported optimizer takes it.'

/**
 * To support one, move its line to arguments-options.ts. `reason` completes the sentence "... is not supported:
 * ".
 */
export const refusedTrainingOptions: Readonly<Record<string, Refused>> = {
  accelerator_config: { default: null, reason: distributed },
  adafactor: { default: false, reason: 'choose an optimizer with optim.' },
  auto_find_batch_size: { default: false, reason: 'choose per_device_train_batch_size yourself.' },
  batch_eval_metrics: { default: false, reason: 'evaluation reports the loss only.' },
  bf16_full_eval: { default: false, reason: full16 },
  debug: { default: '', neutral: [[]], reason: 'there are no debug modes.' },
  deepspeed: { default: null, reason: distributed },
  eval_do_concat_batches: { default: true, reason: 'evaluation keeps no predictions.' },
  fp16: {
    default: false,
    // Scripts compute it from what the device supports.
    type: 'boolean',
    reason: 'it needs loss scaling, which is not built yet; use bf16: true, or neither for float32.',
  },
  fp16_full_eval: { default: false, reason: full16 },
  fsdp: { default: null, neutral: ['', [], false], reason: distributed },
  fsdp_config: { default: null, neutral: [{}], reason: distributed },
  hub_always_push: { default: false, reason: hub },
  hub_model_id: { default: null, reason: hub },
  hub_private_repo: { default: null, reason: hub },
  hub_revision: { default: null, reason: hub },
  hub_strategy: { default: 'every_save', reason: hub },
  hub_token: { default: null, reason: hub },
  ignore_data_skip: { default: false, reason: resume },
  include_for_metrics: { default: [], reason: 'evaluation reports the loss only.' },
  jit_mode_eval: { default: false, reason: gone },
  label_names: {
    default: null,
    neutral: [['labels']],
    reason: "the labels of a causal language model are its 'labels'.",
  },
  liger_kernel_config: { default: null, reason: 'Liger kernels are Python; ours are fused already.' },
  neftune_noise_alpha: { default: null, neutral: [0], reason: 'noise on embeddings is not built.' },
  no_cuda: {
    default: false,
    neutral: [true],
    reason: 'the trainer runs where the model is; see device_map.',
  },
  optim_target_modules: { default: null, neutral: [[]], reason: onlyOptim },
  parallelism_config: { default: null, reason: distributed },
  prediction_loss_only: { default: false, neutral: [true], reason: 'evaluation reports the loss only.' },
  project: { default: 'huggingface', reason: 'no tracker here has projects.' },
  push_to_hub: { default: false, reason: hub },
  ray_scope: { default: 'last', reason: gone },
  restore_callback_states_from_checkpoint: { default: false, reason: 'callbacks have no saved state.' },
  save_safetensors: { default: true, reason: 'weights are always written as safetensors.' },
  trackio_bucket_id: { default: null, reason: 'there is no Trackio tracker.' },
  trackio_space_id: { default: null, reason: 'there is no Trackio tracker.' },
  trackio_static_space_id: { default: null, neutral: [false], reason: 'there is no Trackio tracker.' },
  use_cpu: {
    default: false,
    neutral: [true],
    reason: 'the trainer runs where the model is; see device_map.',
  },
}
