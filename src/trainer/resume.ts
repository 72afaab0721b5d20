import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJson } from '../files/json'
import { SafetensorsFile } from '../files/safetensors'
import type { Parameter } from '../nn/parameter'
import type { Optimizer } from '../optim/optimizer'
import { readAdapterWeights } from '../peft/load'
import { fromSafetensorsDType } from '../tensor/dtype'
import { readInto } from '../tensor/safetensors'
import { checkpointStep, OPTIMIZER_STATE, RUN_STATE, TRAINER_STATE, type RunState } from './checkpoint'
import type { TrainerState } from './state'

/** The checkpoint of the latest step in a folder. @throws Error when there is none. */
export async function lastCheckpoint(outputDir: string): Promise<string> {
  const names = existsSync(outputDir) ? await readdir(outputDir) : []
  const last = names.reduce<string | undefined>(
    (best, name) => ((checkpointStep(name) ?? -1) > (best ? checkpointStep(best)! : -1) ? name : best),
    undefined,
  )
  if (last === undefined)
    throw new Error(`[SFTTrainer.train] resume_from_checkpoint: no checkpoint-<step> folder in ${outputDir}`)
  return join(outputDir, last)
}

/** What a checkpoint says of its run. `model` is told apart from what trains: its own weights are not in it. */
export interface Checkpoint {
  state: Pick<TrainerState, 'epoch' | 'global_step' | 'num_input_tokens_seen' | 'log_history'>
  run: RunState
  /** Puts the adapter's weights and the optimizer's state in their places. */
  restore(parameters: Parameter[], optimizer: Optimizer): Promise<void>
}

/** Reads a checkpoint's figures. @throws Error naming the file that is missing or does not fit. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  for (const name of [TRAINER_STATE, RUN_STATE, OPTIMIZER_STATE]) {
    if (existsSync(join(folder, name))) continue
    throw new Error(
      `[SFTTrainer.train] resume_from_checkpoint: ${folder} has no ${name}; a checkpoint of this library has it unless save_only_model was set`,
    )
  }
  const json = async (name: string): Promise<unknown> => {
    const path = join(folder, name)
    return parseJson(path, await readFile(path, 'utf8'))
  }
  const { epoch, global_step, num_input_tokens_seen, log_history } = (await json(
    TRAINER_STATE,
  )) as TrainerState
  const run = (await json(RUN_STATE)) as RunState
  return {
    state: { epoch, global_step, num_input_tokens_seen, log_history },
    run,
    restore: async (parameters, optimizer) => {
      await readAdapterWeights(folder, parameters)
      await restoreOptimizer(join(folder, OPTIMIZER_STATE), optimizer, run.optimizer_steps)
    },
  }
}

async function restoreOptimizer(path: string, optimizer: Optimizer, steps: number): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const [name, tensor] of Object.entries(optimizer.restore(steps))) {
      const info = file.tensors.get(name)
      const { shape, dtype } = tensor
      if (info?.shape.join() !== shape.join() || fromSafetensorsDType(info.dtype) !== dtype) {
        throw new Error(
          `${path}: no '${name}' of shape (${shape.join(', ')}) and ${dtype}, which this optimizer needs; was the checkpoint made with another optim?`,
        )
      }
      await readInto(tensor, info.file, info.offset)
    }
  } finally {
    await file.close()
  }
}
