import { z } from 'zod'

import { type Option, renamed, type Schema } from '../options/declaration'
import { count, countOrNull, flag, flagOrNull, text, textOrNull } from '../options/schemas'
import type { TrainingOptions } from './options.generated'

// Options with no effect here, whatever their value. If the value is not the default, a warning names them,
// except for `silent` ones: those have no effect in the reference's trainer either and are only read by
// scripts.

// These options change how fast batches arrive, not which: rows are tokenized and kept in memory, so there is
// nothing to wait for.
const inProcess = 'Not needed: rows are tokenized once and kept in memory, so there are no loader processes.'
const forScripts = 'Not read by the trainer: for scripts that ask it.'
const always = 'Not needed: it is always so.'
const byHand = 'Not needed: gradients are reduced in one piece when all of them are there.'
const mainOnly = 'Not needed: rank 0 alone logs, draws and saves, in a folder that all machines reach.'
const graph = 'Not needed: there is no graph to compile; the kernels are fused already.'

const inert = <T>(schema: Option<T>['schema'], value: T, doc: string): Option<T> => ({
  schema,
  default: value,
  inert: true,
  doc,
})
const silent = <T>(schema: Option<T>['schema'], value: T, doc: string): Option<T> => ({
  ...inert(schema, value, doc),
  silent: true,
})

const reentrant: Option<{ use_reentrant?: boolean } | null> = {
  schema: z
    .strictObject({ use_reentrant: z.boolean() })
    .partial()
    .nullable()
    .describe('{ use_reentrant: true or false } or null') as unknown as Schema<{
    use_reentrant?: boolean
  } | null>,
  type: '{ use_reentrant?: boolean } | null',
  default: null,
  inert: true,
  doc: 'Not needed: both ways of use_reentrant are the same here.',
}

type InertName =
  | 'average_tokens_across_devices'
  | 'dataloader_in_order'
  | 'dataloader_multiprocessing_context'
  | 'dataloader_num_workers'
  | 'dataloader_persistent_workers'
  | 'dataloader_pin_memory'
  | 'dataloader_prefetch_factor'
  | 'ddp_broadcast_buffers'
  | 'ddp_bucket_cap_mb'
  | 'ddp_find_unused_parameters'
  | 'ddp_static_graph'
  | 'do_eval'
  | 'do_predict'
  | 'do_train'
  | 'enable_jit_checkpoint'
  | 'eval_accumulation_steps'
  | 'eval_use_gather_object'
  | 'gradient_checkpointing_kwargs'
  | 'include_num_input_tokens_seen'
  | 'length_column_name'
  | 'local_rank'
  | 'log_level_replica'
  | 'log_on_each_node'
  | 'overwrite_output_dir'
  | 'remove_unused_columns'
  | 'resume_from_checkpoint'
  | 'save_on_each_node'
  | 'skip_memory_metrics'
  | 'tf32'
  | 'torch_compile'
  | 'torch_compile_backend'
  | 'torch_compile_mode'
  | 'torch_empty_cache_steps'
  | 'use_cache'
  | 'use_liger_kernel'

/** A part of TrainingArguments' table. */
export const inertTrainingOptions: { readonly [K in InertName]: Option<TrainingOptions[K]> } = {
  average_tokens_across_devices: inert(
    flag,
    true,
    'Not needed: the loss is always divided by the targets of all ranks.',
  ),
  dataloader_in_order: inert(flag, true, inProcess),
  dataloader_multiprocessing_context: inert(textOrNull, null, inProcess),
  dataloader_num_workers: inert(count(0), 0, inProcess),
  dataloader_persistent_workers: inert(flag, false, inProcess),
  dataloader_pin_memory: inert(flag, true, inProcess),
  dataloader_prefetch_factor: inert(countOrNull(1), null, inProcess),
  ddp_broadcast_buffers: inert(
    flagOrNull,
    null,
    'Not needed: the models have no buffers that training changes.',
  ),
  ddp_bucket_cap_mb: inert(countOrNull(1), null, byHand),
  ddp_find_unused_parameters: inert(flagOrNull, null, byHand),
  ddp_static_graph: inert(flagOrNull, null, byHand),
  do_eval: silent(flag, false, `${forScripts} true when eval_strategy is set.`),
  do_predict: silent(flag, false, forScripts),
  do_train: silent(flag, false, forScripts),
  enable_jit_checkpoint: inert(flag, false, 'Not needed: SIGTERM always writes a checkpoint first.'),
  eval_accumulation_steps: inert(countOrNull(1), null, 'Not needed: predictions are ids, kept on the host.'),
  eval_use_gather_object: inert(flag, false, always),
  gradient_checkpointing_kwargs: {
    ...reentrant,
    aliases: { activation_checkpointing_kwargs: renamed },
  },
  include_num_input_tokens_seen: inert(
    z
      .union([z.enum(['no', 'all', 'non_padding']), z.boolean()])
      .describe("'no', 'all', 'non_padding', true or false"),
    'no' as 'no' | 'all' | 'non_padding' | boolean,
    'Not needed: each logged row counts its tokens in num_tokens; there is no padding.',
  ),
  length_column_name: inert(text, 'length', 'Not needed: lengths are taken from the tokenized rows.'),
  local_rank: inert(count(-1), -1, 'Not needed: the launcher tells each process its rank.'),
  log_level_replica: inert(text, 'warning', 'Not needed: log_level is that of every rank.'),
  log_on_each_node: inert(flag, true, mainOnly),
  overwrite_output_dir: silent(flag, false, forScripts),
  remove_unused_columns: inert(flag, true, 'Columns that the model does not read are never passed to it.'),
  resume_from_checkpoint: silent(
    textOrNull,
    null,
    `${forScripts} give it to trainer.train({ resume_from_checkpoint }).`,
  ),
  save_on_each_node: inert(flag, false, mainOnly),
  skip_memory_metrics: inert(
    flag,
    true,
    'Not needed: memory is not measured by phase; trainer.status() returns its use.',
  ),
  tf32: inert(
    flagOrNull,
    null,
    'Permission to round factors to TF32 on a GPU; float32 products here are exact to float32 either way.',
  ),
  torch_compile: inert(flag, false, graph),
  torch_compile_backend: inert(textOrNull, null, graph),
  torch_compile_mode: inert(textOrNull, null, graph),
  torch_empty_cache_steps: inert(countOrNull(1), null, 'Not needed: memory is freed after each step.'),
  use_cache: inert(flag, false, 'Not needed: training never keeps keys and values.'),
  use_liger_kernel: inert(
    flag,
    false,
    'Not needed: the kernels here are fused, and logits are never held whole.',
  ),
}
