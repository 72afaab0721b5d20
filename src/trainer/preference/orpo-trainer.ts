import { tokenizeOrpoPairs } from '../../data/preference/orpo-pairs'
import { Trainer } from '../trainer'
import type { PreferenceTrainerOptions } from './options.generated'
import { ORPOConfig } from './arguments'
import { orpoObjective } from './orpo-loss'
import { preferenceOptions } from './trainer-options'

const owner = 'ORPOTrainer'

/**
 * Odds ratio preference optimization with an adapter, with the names of TRL's experimental ORPOTrainer. There
 * is no reference model. Rows have `chosen` and `rejected`, texts or conversations, and `prompt` unless both
 * begin with it.
 */
export class ORPOTrainer extends Trainer {
  declare readonly args: ORPOConfig

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(given: PreferenceTrainerOptions) {
    const options = preferenceOptions(owner, given, ORPOConfig)
    const { args } = options
    super(options, owner, ({ model, tokenizer }) => ({
      owner,
      objective: orpoObjective(args),
      loss: { loss_type: 'orpo' },
      lossPer: 'row',
      dropout: !args.disable_dropout,
      rows: (dataset, split, signal) => {
        const { config } = model.base_model
        const { max_length } = args
        return tokenizeOrpoPairs(dataset, {
          owner: 'ORPO',
          split,
          tokenizer,
          max_length,
          model: config,
          signal,
        })
      },
    }))
  }
}
