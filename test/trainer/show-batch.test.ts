import { describe, expect, it } from 'vitest'
import { Dataset } from '../../src/data/dataset'
import { show_batch } from '../../src/trainer/show-batch'
import { fakeNotebook } from '../display/fake-output'
import { tinyTrainer } from './tiny'

const pairs = Dataset.from_list([
  { prompt: 'hello', completion: ' world' },
  { prompt: 'hello hello', completion: ' w' },
  { prompt: 'hello', completion: ' hello world' },
])

describe('show_batch', () => {
  it('tells what is learned and what is masked, and what ends', async () => {
    const trainer = await tinyTrainer({ per_device_train_batch_size: 1 }, { train_dataset: pairs })
    const output = fakeNotebook()
    const warnings = await show_batch(trainer, { output })
    expect(warnings).toEqual([])
    const { rows, collated } = (await trainer.train_batches()).at(0)
    const learned = collated.labels.filter((label) => label !== -100).length
    expect(learned).toBeGreaterThan(0)
    expect(learned).toBeLessThan(rows[0]!)
    const html = String(output.outputs[0]![0]!['text/html'])
    expect(html.split('<b>')[1]).toMatch(
      new RegExp(`^Batch 1 of 3: 1 row, ${rows[0]} tokens, ${learned} of them learned`),
    )
    expect(html.match(/, learned/g)).toHaveLength(learned)
    expect(html.match(/masked: not learned/g)).toHaveLength(rows[0]! - learned)
    expect(html.match(/learned, end token/g)).toHaveLength(1)
    // The prompt is in marks, the completion is not.
    expect(output.outputs[0]![0]!['text/plain']).toMatch(
      /\u2039<s>hello( hello)?\u203a (world|w|hello world)<\/s>$/,
    )
  })

  it('shows what shares a packed row', async () => {
    const args = { packing: true, max_length: 64, per_device_train_batch_size: 1 }
    const trainer = await tinyTrainer(args, { train_dataset: pairs })
    const output = fakeNotebook()
    await show_batch(trainer, { output, max_rows: 2 })
    const text = output.outputs[0]![0]!['text/plain']
    // Nothing predicts the first token of each of the three.
    const { collated } = (await trainer.train_batches()).at(0)
    const learned = collated.labels.filter((label) => label !== -100).length
    const begins = [...collated.cu_seqlens].slice(0, -1).filter((at) => collated.labels[at] !== -100).length
    expect(text).toContain(`${learned - begins} of them learned`)
    expect(text).toMatch(/sequence 1: \d+ tokens, packed in row 1 \(\d+ tokens\)/)
    expect(text).toMatch(/sequence 2: \d+ tokens, packed in row 1/)
    expect(text).toMatch(/\.\.\. 1 more sequence$/)
  })

  it('warns of rows that teach nothing, have no end, begin twice or are cut', async () => {
    const short = { prompt: 'h', completion: ' w' }
    const cases: [Record<string, unknown>, Record<string, string>[], RegExp[]][] = [
      [
        { max_length: 4, per_device_train_batch_size: 2 },
        [{ prompt: 'hello hello hello', completion: ' w' }, short],
        [/^1 of 2 sequences: no token is learned/, /^1 of 2 sequences: cut at max_length 4/],
      ],
      [
        { max_length: 7 },
        [{ prompt: 'hello', completion: ' hello hello hello hello hello' }],
        [/no end token \(<\/s>\) is learned/, /cut/],
      ],
      [{}, [{ prompt: '<s><s>hello', completion: ' w' }], [/two begin tokens <s>/]],
    ]
    for (const [args, rows, expected] of cases) {
      const trainer = await tinyTrainer(
        { per_device_train_batch_size: 1, ...args },
        { train_dataset: Dataset.from_list(rows) },
      )
      const output = fakeNotebook()
      const warnings = await show_batch(trainer, { output })
      for (const [i, pattern] of expected.entries()) expect(warnings[i]).toMatch(pattern)
      expect(warnings).toHaveLength(expected.length)
    }
  })

  it('refuses a batch that is not there', async () => {
    const trainer = await tinyTrainer()
    await expect(show_batch(trainer, { index: 4 })).rejects.toThrow(
      /index 4: the epoch has 4 batches, 0 to 3/,
    )
  })
})
