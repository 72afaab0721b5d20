import { expect, it } from 'vitest'
import { Dataset } from '../../src/data/dataset'
import { TrainingArguments } from '../../src/trainer/arguments'
import type { LabelledRow } from '../../src/data/packing'
import { tinyTokenizer } from '../data/tiny'
import { texts, tinyTrainer } from './tiny'

type Seen = { sets: { trained: LabelledRow[] } }

/** The ids of the rows that a trainer trains on. */
async function idsOf(...given: Parameters<typeof tinyTrainer>): Promise<number[][]> {
  const trainer = await tinyTrainer({ max_steps: 1, ...given[0] }, given[1])
  await trainer.train()
  return (trainer as unknown as Seen).sets.trained.map((row) => [...row.input_ids])
}

it('dataset_kwargs: no special tokens, no end token, or rows as they are; also in their old place', async () => {
  const tokenizer = await tinyTokenizer()
  const train_dataset = Dataset.from_list([{ text: 'hello' }, { text: 'world' }])
  const plain = [await tokenizer.encode('hello', { add_special_tokens: false })]
  const [whole] = await idsOf({}, { train_dataset })
  expect(whole).toEqual(await tokenizer.encode('hello' + tokenizer.eos_token))
  const none = { add_special_tokens: false, append_concat_token: false }
  expect((await idsOf({ dataset_kwargs: none }, { train_dataset }))[0]).toEqual(plain[0])
  expect((await idsOf({}, { train_dataset, dataset_kwargs: none }))[0]).toEqual(plain[0])
  const [ended] = await idsOf({ dataset_kwargs: { add_special_tokens: false } }, { train_dataset })
  expect(ended).toEqual([...plain[0]!, tokenizer.eos_token_id])
  const skip = { skip_prepare_dataset: true }
  await expect(idsOf({ dataset_kwargs: skip }, { train_dataset })).rejects.toThrow(
    "dataset_kwargs.skip_prepare_dataset: the train data set has no column 'input_ids'. Its columns: text",
  )
  const rows = Dataset.from_list([{ input_ids: [5, 6, 7] }, { input_ids: [8, 9] }])
  expect(await idsOf({ dataset_kwargs: skip }, { train_dataset: rows })).toEqual([
    [5, 6, 7],
    [8, 9],
  ])
})

it('shuffle_dataset puts the rows in another order before they are packed', async () => {
  const given = await idsOf({ shuffle_dataset: false })
  const shuffled = await idsOf({ shuffle_dataset: true })
  expect(shuffled).not.toEqual(given)
  expect(shuffled.map(String).sort()).toEqual(given.map(String).sort())
  const twice = texts(8).shuffle({ seed: 42 }).column('text')
  expect(shuffled.length).toBe(twice.length)
})

it('eos_token and pad_token are set on the tokenizer, where they are in its vocabulary', async () => {
  const processing_class = await tinyTokenizer()
  const trainer = await tinyTrainer({ eos_token: '<s>', pad_token: '</s>' }, { processing_class })
  expect([trainer.processing_class.eos_token, trainer.processing_class.pad_token]).toEqual(['<s>', '</s>'])
  await expect(tinyTrainer({ eos_token: '<nowhere>' }, { processing_class })).rejects.toThrow(
    "eos_token = '<nowhere>' is not in the vocabulary",
  )
})

it("arguments of a script's own class are taken, its own fields left alone", async () => {
  class Own extends TrainingArguments {
    cache_dir: string = 'away'
  }
  const args = Object.assign(new Own({ max_steps: 3, learning_rate: 1e-3 }), { output_dir: 'nowhere' })
  const trainer = await tinyTrainer({}, { args })
  expect(trainer.args.max_steps).toBe(3)
  expect('cache_dir' in trainer.args).toBe(false)
})
