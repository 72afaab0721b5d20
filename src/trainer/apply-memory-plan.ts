import { detectOutput, type Output } from '../display/output'
import { cpuMachine, cudaMachine, type Machine } from '../memory/machine'
import { planBundle } from '../memory/plan-display'
import { RunPlanner, type PlannedRun } from '../memory/run-planner'
import { requireFit } from '../memory/suggestions'
import { alignedSize, type BatchSize } from '../models/batch'
import type { Objective } from '../models/objective'
import { LoraConfig } from '../peft/config'
import type { PeftModel } from '../peft/model'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { TrainingArguments } from './arguments'

/** The sizes of batches (row indices), from the lengths of each row's sequences. */
export function batchSizes(
  batches: readonly number[][],
  lengths: readonly (readonly number[])[],
): BatchSize[] {
  return batches.map((rows) => batchSize(rows.flatMap((row) => lengths[row]!)))
}

/** The size of a batch of sequences of these lengths. */
export function batchSize(lengths: readonly number[]): BatchSize {
  return {
    tokens: lengths.reduce((n, length) => n + length, 0),
    sequences: lengths.length,
    longest: lengths.reduce((n, length) => Math.max(n, length), 0),
  }
}

/**
 * Plans the memory of a run from the sizes of its micro batches, before anything of the run is allocated. Sets
 * the model's plans, moves the embedding as they require, and shows the plan of the largest batch. On the CPU
 * only if `args.memory` is given: there the system manages memory.
 * @throws MemoryError when the run does not fit.
 */
export function planMemory(
  model: PeftModel,
  args: TrainingArguments,
  sizes: readonly BatchSize[],
  {
    objective,
    dropout = true,
    output = detectOutput(),
  }: { objective?: Objective | undefined; dropout?: boolean; output?: Output } = {},
): PlannedRun | undefined {
  const { base_model } = model
  const { device, config } = base_model
  base_model.memory_plans = undefined
  if (device.isCpu && args.memory === null) return undefined
  const step = {
    config,
    dtype: base_model.dtype,
    quantization: base_model.quantization_config,
    lora: dropout ? model.peft_config : new LoraConfig({ ...model.peft_config, lora_dropout: 0 }),
    adapterDtype: model.parameters()[0]!.data.dtype as FloatDType,
    optimizer: args,
    autocast: args.bf16 ? ('bfloat16' as const) : undefined,
    deterministic: args.full_determinism,
    gradientAccumulation: args.gradient_accumulation_steps,
    objective,
  }
  const machine = machineOf(device)
  const aligned = sizes.map((size) => alignedSize(size, device.rowMultiple))
  const runPlanner = new RunPlanner(step, aligned, machine, args.memory)
  const { planner } = runPlanner
  const largest = planner.choose(args.memory, args.gradient_checkpointing)
  const limit = typeof args.memory === 'number' ? args.memory : machine.free
  const run = planner.fits(largest, limit) ? runPlanner.withSmaller(largest) : undefined
  if (args.disable_tqdm !== true) output.show(planBundle(planner, largest, limit, run))
  requireFit(planner, largest, limit)
  for (const { planned } of run!.classes) requireFit(planner, planned, limit)
  base_model.memory_plans = run!.plans
  if (!config.tie_word_embeddings) base_model.parts.embed_tokens.place(largest.plan.embedding ?? 'device')
  return run
}

/**
 * The machine for this process: its free memory is what is free now plus what the process's tensors and cache
 * already have.
 */
export function machineOf(device: Device): Machine {
  const { reserved } = device.memoryStats()
  const available = process.availableMemory()
  if (device.isCpu) return cpuMachine(available + reserved)
  const { free_memory, multiprocessors, capability } = device.info
  // The rates are those of an H100 with 132 multiprocessors. Multiprocessors before Hopper do about two fifths
  // of the work of one of its.
  const speed = (Number(multiprocessors) / 132) * (Number(capability) >= 9 ? 1 : 0.4)
  return cudaMachine(Number(free_memory) + reserved, available / 2, speed)
}
