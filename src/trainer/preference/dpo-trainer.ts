import { tokenizePairs } from '../../data/preference/pairs'
import type { PreTrainedTokenizer } from '../../data/tokenizer'
import type { PeftModel } from '../../peft/model'
import { Trainer } from '../trainer'
import type { PreferenceTrainerOptions } from './options.generated'
import type { TrainingTask } from '../task'
import { DPOConfig } from './arguments'
import { dpoObjective } from './dpo-loss'
import { Reference } from './reference'
import { measured } from './rewarded-task'
import { autocastOf, hadAdapter, lossName } from './task-parts'
import { preferenceOptions } from './trainer-options'

const owner = 'DPOTrainer'

/**
 * Direct Preference Optimization with an adapter, with the names of TRL's DPOTrainer. Rows have `chosen` and
 * `rejected`, texts or conversations, and `prompt` unless both begin with it. The reference is the base model
 * if `peft_config` is given, else the model with the adapter as it was at the start.
 */
export class DPOTrainer extends Trainer {
  declare readonly args: DPOConfig

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(given: PreferenceTrainerOptions) {
    const options = preferenceOptions(owner, given, DPOConfig)
    const came = hadAdapter(options.model)
    super(options, owner, ({ model, tokenizer }) => dpoTask(model, came, options.args, tokenizer))
  }
}

function dpoTask(
  model: PeftModel,
  came: boolean,
  args: DPOConfig,
  tokenizer: PreTrainedTokenizer,
): TrainingTask {
  const reference = new Reference(model, came)
  return {
    owner,
    objective: dpoObjective(args),
    loss: { loss_type: lossName('dpo', args.loss_type.join('+')) },
    lossPer: 'row',
    dropout: !args.disable_dropout,
    rows: (dataset, split, signal) => {
      const { max_length, truncation_mode } = args
      const { config } = model.base_model
      return tokenizePairs(
        dataset,
        { owner: 'DPO', split, tokenizer, max_length, model: config, signal },
        truncation_mode,
      )
    },
    ...measured(args, {
      measure: async (batch, training) => ({
        ref_logps: await reference.logps(batch, { autocast: autocastOf(args), training }),
      }),
    }),
    dispose: () => reference.dispose(),
  }
}
