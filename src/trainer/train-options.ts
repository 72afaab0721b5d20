import { z } from 'zod'

import { signal } from '../options/call'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import type { ParsedTrainOptions, TrainOptions } from './options.generated'

/** The options of `train()`. */
export const trainOptionSet: OptionSet<ParsedTrainOptions> = {
  owner: 'SFTTrainer.train',
  options: {
    resume_from_checkpoint: {
      schema: z
        .union([z.boolean(), z.string()])
        .nullable()
        .describe('the folder of a checkpoint, true, false or null'),
      default: null,
      doc: 'Folder of a checkpoint, or true for the newest whole one in output_dir: the run continues from there with the same bits, given the model, data and settings it was made with. null: a stopped run continues; false: a new run begins.',
    },
    signal: { ...signal, doc: 'Aborted, it stops the run at the next step boundary.' },
  },
  refused: {
    ignore_keys_for_eval: { default: null, reason: 'evaluation keeps no predictions.' },
    trial: { default: null, reason: 'there is no search for hyperparameters.' },
  },
}

/** @throws TypeError on an unknown name or a wrong value. */
export function trainOptions(given: TrainOptions): ParsedTrainOptions {
  return parseOptions(trainOptionSet, given)
}
