import { detectOutput, type Output } from '../display/output'
import { cpuMachine, cudaMachine, type Machine } from '../memory/machine'
import { planBundle } from '../memory/plan-chart'
import { Planner, type PlannedStep } from '../memory/planner'
import { requireFit } from '../memory/remedies'
import type { PeftModel } from '../peft/model'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { TrainingArguments } from './arguments'

/** Tokens and sequences of a micro batch, and the tokens of its longest. */
export interface BatchSize {
  tokens: number
  sequences: number
  longest?: number
}

/** The batch (indices of rows) with the most tokens. */
export function largestBatch(batches: readonly number[][], lengths: readonly number[]): BatchSize {
  const sizes = batches.map((rows) => ({
    tokens: rows.reduce((n, row) => n + lengths[row]!, 0),
    sequences: rows.length,
    longest: rows.reduce((n, row) => Math.max(n, lengths[row]!), 0),
  }))
  return sizes.reduce((a, b) => (b.tokens > a.tokens ? b : a))
}

/**
 * Plans the memory of a run by its largest micro batch, before anything of the run is allocated: sets the model's plan, moves the
 * embedding where it says, and shows the plan. On the CPU only when `args.memory` asks for it: there memory is the system's to give.
 * @throws MemoryError when the run does not fit.
 */
export function planMemory(
  model: PeftModel,
  args: TrainingArguments,
  largest: BatchSize,
  output: Output = detectOutput(),
): PlannedStep | undefined {
  const { base_model } = model
  const { device, config } = base_model
  base_model.memory_plan = undefined
  if (device.isCpu && args.memory === null) return undefined
  const multiple = device.rowMultiple
  const step = {
    config,
    dtype: base_model.dtype,
    quantization: base_model.quantization_config,
    lora: model.peft_config,
    adapterDtype: model.parameters()[0]!.data.dtype as FloatDType,
    optimizer: args,
    autocast: args.bf16 ? ('bfloat16' as const) : undefined,
    tokens: Math.ceil(largest.tokens / multiple) * multiple,
    // What fills the batch up to a multiple is a sequence of its own (models/batch.ts).
    sequences: largest.sequences + (largest.tokens % multiple === 0 ? 0 : 1),
    longest: largest.longest,
    deterministic: args.full_determinism,
    gradientAccumulation: args.gradient_accumulation_steps,
  }
  const planner = new Planner(step, machineOf(device))
  const planned = planner.choose(args.memory, args.gradient_checkpointing)
  const limit = typeof args.memory === 'number' ? args.memory : planner.machine.free
  if (args.disable_tqdm !== true) output.show(planBundle(planner, planned, limit))
  requireFit(planner, planned, limit)
  base_model.memory_plan = planned.plan
  if (!config.tie_word_embeddings) base_model.parts.embed_tokens.place(planned.plan.embedding ?? 'device')
  return planned
}

/** What this process's tensors may take: what is free, and what they and their cache have already. */
export function machineOf(device: Device): Machine {
  const { reserved } = device.memoryStats()
  const available = process.availableMemory()
  if (device.isCpu) return cpuMachine(available + reserved)
  const { free_memory, multiprocessors, capability } = device.info
  // The rates are an H100's with its 132 multiprocessors; those before Hopper do about two fifths of its work each.
  const speed = (Number(multiprocessors) / 132) * (Number(capability) >= 9 ? 1 : 0.4)
  return cudaMachine(Number(free_memory) + reserved, available / 2, speed)
}
