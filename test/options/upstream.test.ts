import { describe, expect, it } from 'vitest'
import { loadDatasetOptionSet } from '../../src/data/load-dataset-options'
import { generateOptionSet } from '../../src/generation/options'
import { type OptionSet, knownNames, optionTable } from '../../src/options/declaration'
import { loraOptionSet } from '../../src/peft/options'
import { bitsAndBytesOptionSet } from '../../src/quantization/config'
import { trainingOptionSet } from '../../src/trainer/arguments-options'
import { dpoOptionSet, ktoOptionSet, orpoOptionSet } from '../../src/trainer/preference/options'
import { preferenceTrainerOptionSet } from '../../src/trainer/preference/trainer-options'
import { sftOptionSet } from '../../src/trainer/sft-options'
import { sftTrainerOptionSet } from '../../src/trainer/trainer-options'
import upstream from './upstream.json'

// upstream.json was written by upstream.py from the Python libraries.

/** Options whose default is settled elsewhere: after the constructor of the reference, or differently here. */
const settledElsewhere: Record<string, readonly string[]> = {
  TrainingArguments: ['report_to', 'gradient_checkpointing'],
  SFTConfig: ['bf16', 'loss_type', 'pad_to_multiple_of'],
  DPOConfig: ['bf16', 'pad_to_multiple_of'],
  KTOConfig: ['bf16', 'pad_to_multiple_of'],
  ORPOConfig: ['bf16'],
  LoraConfig: ['peft_type', 'peft_version'],
  BitsAndBytesConfig: ['bnb_4bit_compute_dtype', 'bnb_4bit_quant_storage'],
  SFTTrainer: ['callbacks'],
  DPOTrainer: ['callbacks'],
  KTOTrainer: ['callbacks'],
  ORPOTrainer: ['callbacks'],
  // Upstream they are null until generation fills in what applies.
  generate: [
    ...['do_sample', 'temperature', 'top_k', 'top_p', 'typical_p', 'epsilon_cutoff', 'eta_cutoff'],
    ...['repetition_penalty', 'encoder_repetition_penalty', 'no_repeat_ngram_size'],
    ...['encoder_no_repeat_ngram_size', 'min_length', 'renormalize_logits', 'remove_invalid_values'],
    ...['num_beams', 'num_return_sequences', 'length_penalty', 'early_stopping'],
    ...['return_dict_in_generate', 'output_scores', 'output_logits'],
  ],
}

describe.each<[string, OptionSet<object>, Record<string, unknown>]>([
  ['TrainingArguments', trainingOptionSet, upstream.TrainingArguments],
  ['SFTConfig', sftOptionSet, upstream.SFTConfig],
  ['DPOConfig', dpoOptionSet, upstream.DPOConfig],
  ['KTOConfig', ktoOptionSet, upstream.KTOConfig],
  ['ORPOConfig', orpoOptionSet, upstream.ORPOConfig],
  ['DPOTrainer', preferenceTrainerOptionSet('DPOTrainer'), upstream.DPOTrainer],
  ['KTOTrainer', preferenceTrainerOptionSet('KTOTrainer'), upstream.KTOTrainer],
  ['ORPOTrainer', preferenceTrainerOptionSet('ORPOTrainer'), upstream.ORPOTrainer],
  ['LoraConfig', loraOptionSet, upstream.LoraConfig],
  ['BitsAndBytesConfig', bitsAndBytesOptionSet, upstream.BitsAndBytesConfig],
  ['SFTTrainer', sftTrainerOptionSet, upstream.SFTTrainer],
  ['load_dataset', loadDatasetOptionSet, upstream.load_dataset],
  ['generate', generateOptionSet, upstream.generate],
])('%s', (owner, set, theirs) => {
  it('knows every option of the reference', () => {
    const known = new Set(knownNames(set))
    expect(Object.keys(theirs).filter((name) => !known.has(name))).toEqual([])
    expect(Object.keys(theirs).length).toBeGreaterThan(9)
  })

  it('has its defaults, or a value that the reference fills in for null', () => {
    const options = optionTable(set)
    for (const [name, value] of Object.entries(theirs)) {
      if (settledElsewhere[owner]?.includes(name)) continue
      const option = Object.hasOwn(options, name) ? options[name] : undefined
      if (option) expect(option.default ?? null, name).toEqual(value)
      else if (value !== null) expect(set.refused[name]?.default, name).toEqual(value)
    }
  })
})
