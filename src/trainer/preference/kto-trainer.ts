import { collate } from '../../data/collator'
import type { LabelledRow } from '../../data/packing'
import { tokenizeUnpaired } from '../../data/preference/unpaired'
import type { PreTrainedTokenizer } from '../../data/tokenizer'
import type { PackedBatch } from '../../models/batch'
import type { PeftModel } from '../../peft/model'
import { batchSize } from '../apply-memory-plan'
import type { PreferenceTrainerOptions } from './options.generated'
import { Trainer } from '../trainer'
import type { TrainingTask } from '../task'
import { KTOConfig } from './arguments'
import { ktoObjective } from './kto-loss'
import { Reference, sequenceLogps } from './reference'
import { measured } from './rewarded-task'
import { autocastOf, hadAdapter, lossName } from './task-parts'
import { preferenceOptions } from './trainer-options'

const owner = 'KTOTrainer'

/**
 * Kahneman-Tversky optimization with an adapter, with the names of TRL's KTOTrainer. Rows have `prompt`,
 * `completion` and `label` (true: desirable), texts or conversations; a row of `chosen` and `rejected` becomes
 * two. The reference is the base model if `peft_config` is given, else the model with the adapter as it was at
 * the start.
 */
export class KTOTrainer extends Trainer {
  declare readonly args: KTOConfig

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(given: PreferenceTrainerOptions) {
    const options = preferenceOptions(owner, given, KTOConfig)
    const came = hadAdapter(options.model)
    super(options, owner, ({ model, tokenizer }) => ktoTask(model, came, options.args, tokenizer))
  }
}

const mismatched = (rows: readonly unknown[]): LabelledRow[] => rows as LabelledRow[]

function ktoTask(
  model: PeftModel,
  came: boolean,
  args: KTOConfig,
  tokenizer: PreTrainedTokenizer,
): TrainingTask {
  const reference = new Reference(model, came)
  const autocast = autocastOf(args)
  const usesKl = args.loss_type === 'kto'
  const klBatch = ({ columns }: PackedBatch): PackedBatch => collate(mismatched(columns!['kl']!))
  const { prepare, measure } = measured(args, {
    measure: async (batch, training) => ({
      ref_logps: await reference.logps(batch, { autocast, training }),
      ...(usesKl && { ref_kl_logps: await reference.logps(klBatch(batch), { autocast, training }) }),
    }),
  })
  return {
    owner,
    objective: ktoObjective(args),
    loss: { loss_type: lossName('kto', args.loss_type) },
    lossPer: 'row',
    dropout: !args.disable_dropout,
    rows: (dataset, split, signal) => {
      const { config } = model.base_model
      const data = { owner: 'KTO', split, tokenizer, max_length: args.max_length, model: config, signal }
      return tokenizeUnpaired(dataset, data, usesKl ? args.per_device_train_batch_size : undefined)
    },
    ...(measure && { measure }),
    prepare: async (batch, training) => {
      const known = prepare ? await prepare(batch, training) : batch
      if (!usesKl) return known
      const now = await sequenceLogps(model.base_model, klBatch(known), { autocast, training })
      const before = known.columns!['ref_kl_logps'] as number[]
      return { ...known, columns: { ...known.columns, kl_ratio: now.map((logp, s) => logp - before[s]!) } }
    },
    ...(usesKl && {
      passes: (rows: readonly LabelledRow[]) => [
        batchSize(
          rows.flatMap((row) => mismatched(row.columns!['kl']!).map(({ input_ids }) => input_ids.length)),
        ),
      ],
    }),
    dispose: () => reference.dispose(),
  }
}
