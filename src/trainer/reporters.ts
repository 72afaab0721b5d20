import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import { createTrainingDisplay, type TrainingDisplay } from '../display/training-progress'
import type { PretrainedConfig } from '../models/config'
import type { TrainingArguments } from './arguments'
import type { TrainerCallback } from './callbacks'
import { toJson } from './checkpoint-schema'
import { CsvLog } from './logs/csv'
import { mlflowReporter } from './logs/mlflow'
import { defaultLoggingDir, SummaryWriter } from './logs/tensorboard'

/** The callbacks of every run: the display, trainer_state.json, and those of report_to. */
export function reportersOf(
  args: TrainingArguments,
  display: TrainingDisplay | undefined,
  config: () => PretrainedConfig,
): TrainerCallback[] {
  const reporters = [displayReporter(args, display), stateReporter()]
  if (args.report_to.includes('tensorboard')) reporters.push(tensorboardReporter(config))
  if (args.report_to.includes('csv')) reporters.push(csvReporter())
  if (args.report_to.includes('mlflow')) reporters.push(mlflowReporter())
  return reporters
}

/** Bar, live chart and log lines. */
export function displayReporter(args: TrainingArguments, display?: TrainingDisplay): TrainerCallback {
  const shown = display ?? createTrainingDisplay({ disable_tqdm: args.disable_tqdm ?? false })
  return {
    on_train_begin: (_, { max_steps, global_step, log_history }) =>
      shown.start(global_step === 0 ? { max_steps } : { max_steps, step: global_step, history: log_history }),
    on_step_end: (_, state) => shown.step(state.global_step),
    on_log: (_, __, ___, logs) => {
      if (!('train_runtime' in logs)) shown.log(logs)
    },
    on_train_end: (_, state, __, finished) => {
      const last = state.log_history.at(-1)
      shown.end(finished && last && 'train_runtime' in last ? last : undefined)
    },
  }
}

/**
 * `report_to: 'tensorboard'`: event files in the logging folder, with the arguments and the model's config as
 * texts.
 */
export function tensorboardReporter(config: () => PretrainedConfig): TrainerCallback {
  let writer: SummaryWriter | undefined
  let folder: string | undefined
  return {
    on_train_begin: async (args, state) => {
      // A continued run writes a second file beside its first; TensorBoard shows them as one.
      if (state.global_step === 0) folder = undefined
      folder ??= args.logging_dir ?? defaultLoggingDir(args.output_dir)
      writer = await SummaryWriter.open(folder)
      writer.add_text('args', args.to_json_string())
      writer.add_text('model_config', JSON.stringify(config().to_dict(), null, 2))
    },
    on_log: (_, state, __, logs) => writer?.add_row(logs, state.global_step),
    // Rows logged after the run, for instance by evaluate(), are not written.
    on_train_end: () => {
      const open = writer
      writer = undefined
      return open?.close()
    },
  }
}

/** `report_to: 'csv'`: `log.csv` in the output folder. */
export function csvReporter(): TrainerCallback {
  let log: CsvLog | undefined
  return {
    on_train_begin: async (args, state) => {
      log = await CsvLog.open(join(args.output_dir, 'log.csv'))
      for (const row of state.log_history) await log.write(row)
    },
    on_log: (_, __, ___, logs) => log?.write(logs),
  }
}

/**
 * Writes trainer_state.json to the output folder at the end of a run, so that its figures are kept after the
 * process ends.
 */
export function stateReporter(): TrainerCallback {
  return {
    on_train_end: (args, state) =>
      writeFileAtomic(join(args.output_dir, 'trainer_state.json'), toJson(state)),
  }
}
