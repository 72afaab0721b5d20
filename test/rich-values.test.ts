import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Dataset } from '../src/data/dataset'
import { DatasetDict } from '../src/data/dataset-dict'
import { IterableDataset } from '../src/data/iterable-dataset'
import { IterableDatasetDict } from '../src/data/iterable-dataset-dict'
import { bundleOf } from '../src/display/show'
import '../src/rich-values'
import { AutoModelForCausalLM } from '../src/models/auto'
import { get_peft_model } from '../src/peft/model'
import { LoraConfig } from '../src/peft/config'
import { BitsAndBytesConfig } from '../src/quantization/config'
import { Tensor } from '../src/tensor/tensor'
import { golden } from './support/shared'
import { liveBytes, tinyPeft } from './models/tiny'
import { sharedTokenizer, tinyTrainer } from './trainer/tiny'

const text = async (value: unknown): Promise<string> => (await bundleOf(value))['text/plain']
const html = async (value: unknown): Promise<string> => String((await bundleOf(value))['text/html'])

describe('a tensor', () => {
  it('shows its values in one width', async () => {
    expect(await text(Tensor.from([1.5, -2, 30, NaN, 0.25, 0], { shape: [2, 3] }))).toBe(
      'tensor([[ 1.5000, -2.0000, 30.0000],\n' +
        '        [    NaN,  0.2500,  0.0000]], shape=(2, 3), dtype=float32, device=cpu)',
    )
    expect(await text(Tensor.from([1e-6, 2]))).toContain('[1.0000e-6, 2.0000e+0]')
    expect(await text(Tensor.from(new BigInt64Array([1n, -5n])))).toBe(
      'tensor([ 1, -5], shape=(2), dtype=int64, device=cpu)',
    )
    expect(await text(Tensor.from([3], { shape: [], dtype: 'bfloat16' }))).toBe(
      'tensor(3, shape=(), dtype=bfloat16, device=cpu)',
    )
  })

  it('that is large shows the ends of each axis, and leaves no memory behind', async () => {
    const before = await liveBytes()
    const values = Float32Array.from({ length: 8 * 7 * 200 }, (_, i) => i)
    const tensor = Tensor.from(values, { shape: [8, 7, 200] })
    const lines = (await text(tensor)).split('\n')
    expect(lines[0]).toBe('tensor([[[    0,     1,     2, ...,   197,   198,   199],')
    expect(lines[3]).toBe('         ...,')
    expect(lines.at(-1)).toBe(
      '         [11000, 11001, 11002, ..., 11197, 11198, 11199]]], shape=(8, 7, 200), dtype=float32, device=cpu)',
    )
    expect(lines.filter((line) => line === '        ...,').length).toBe(1)
    expect(lines.length).toBe(6 * 7 + 1 + 6)
    tensor.dispose()
    expect(await liveBytes()).toBe(before)
  })

  it('wraps a long row', async () => {
    const shown = await text(Tensor.from(Float32Array.from({ length: 100 }, (_, i) => i)))
    expect(
      Math.max(
        ...shown
          .split('\n')
          .slice(0, -1)
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(92)
    expect(shown.match(/\d+/g)!.slice(0, 100).map(Number)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  it('inside other values, empty or disposed, shows what is known at once', async () => {
    const tensor = Tensor.from([1, 2])
    expect(inspect({ tensor })).toBe('{ tensor: Tensor(shape=(2), dtype=float32, device=cpu) }')
    tensor.dispose()
    expect(await text(tensor)).toBe('Tensor(shape=(2), dtype=float32, device=cpu, disposed)')
    expect(await text(Tensor.from([], { shape: [0, 4] }))).toBe(
      'Tensor(shape=(0, 4), dtype=float32, device=cpu)',
    )
  })
})

describe('a model', () => {
  it('shows its modules as transformers prints them, and its size', async () => {
    const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'))
    const shown = await text(model)
    expect(shown.split('\n').slice(0, 10)).toEqual([
      'LlamaForCausalLM(',
      '  (model): LlamaModel(',
      '    (embed_tokens): Embedding(512, 64)',
      '    (layers): ModuleList(',
      '      (0-2): 3 x LlamaDecoderLayer(',
      '        (self_attn): LlamaAttention(',
      '          (q_proj): Linear(in_features=64, out_features=64, bias=False)',
      '          (k_proj): Linear(in_features=64, out_features=32, bias=False)',
      '          (v_proj): Linear(in_features=64, out_features=32, bias=False)',
      '          (o_proj): Linear(in_features=64, out_features=64, bias=False)',
    ])
    expect(shown).toContain('        (input_layernorm): LlamaRMSNorm((64,), eps=1e-5)\n')
    expect(shown).toContain('\n  (lm_head): Linear(in_features=64, out_features=512, bias=False)\n)\n')
    const parameters = 2 * 512 * 64 + 3 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 176 + 2 * 64) + 64
    expect(shown.split('\n').at(-1)).toBe(
      `trainable params: 0 || all params: ${parameters.toLocaleString('en-US')} || trainable%: 0.0000 || ` +
        `weights: ${((4 * parameters) / 1024).toFixed(1)} KiB`,
    )
    expect(await html(model)).toContain('<summary><b>LlamaForCausalLM</b> trainable params: 0')
    model.dispose()
  })

  it('with an adapter says which layers have it, with the counts of PEFT', async () => {
    const model = await tinyPeft()
    const [trainable, all] = model.get_nb_trainable_parameters()
    const shown = await text(model)
    expect(shown).toMatch(
      /^PeftModelForCausalLM\(\n {2}\(base_model\): LoraModel\(\n {4}\(model\): LlamaForCausalLM\(/,
    )
    expect(shown).toContain(
      `trainable params: ${trainable.toLocaleString('en-US')} || all params: ${all.toLocaleString('en-US')} ||`,
    )
    expect(inspect({ model })).toMatch(/^{ model: PeftModel\([\d,]+ params, [\d.]+ KiB\) }$/)
    model.dispose()
  })

  it('in 4 bits counts the weights that the codes stand for, and the bytes of the codes', async () => {
    const before = await liveBytes()
    const base = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), {
      quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }),
    })
    const held = (await liveBytes()) - before
    const model = get_peft_model(base, new LoraConfig({ r: 4, target_modules: ['q_proj'] }))
    const shown = await text(model)
    expect(shown).toContain(
      '(q_proj): lora.Linear4bit(in_features=64, out_features=64, bias=False, r=4, scaling=2, dropout=0)',
    )
    expect(shown).toContain('(k_proj): Linear4bit(in_features=64, out_features=32, bias=False)')
    const adapter = model.parameters().reduce((n, p) => n + p.data.nbytes, 0)
    const weights = Number(/weights: ([\d.]+) KiB/.exec(shown)![1]) * 1024 - adapter
    // The device also holds the rotary table.
    expect(Math.abs(weights - held)).toBeLessThan(0.02 * held)
    model.dispose()
  })
})

describe('a data set', () => {
  const rows = Array.from({ length: 9 }, (_, i) => ({ text: `<row ${i}>`, n: i }))

  it('shows features, number of rows and the first rows', async () => {
    const dataset = Dataset.from_list(rows)
    const head = "Dataset({\n    features: ['text', 'n'],\n    num_rows: 9\n})"
    expect(inspect(dataset)).toBe(head)
    const shown = await text(dataset)
    expect(shown.startsWith(`${head}\n\nfirst 5 rows\n`)).toBe(true)
    expect(
      shown
        .split('\n')
        .slice(-5)
        .map((line) => line.split(/ {2,}/)[0]),
    ).toEqual(rows.slice(0, 5).map((row) => row.text))
    const page = await html(dataset)
    expect(page).toContain('<b>Dataset</b>: 9 rows, text: string, n: int64')
    expect(page).toContain('&lt;row 4&gt;')
    expect(page).not.toContain('row 5')
  })

  it('with long texts and many columns stays short', async () => {
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`c${i}`, 'x'.repeat(10_000)]))
    const page = await html(Dataset.from_list([wide]))
    expect(page.length).toBeLessThan(20_000)
    expect(page).toContain('80 more columns')
    expect(await text(Dataset.from_list([]))).toContain('num_rows: 0')
  })

  it('in splits shows each', async () => {
    const splits = new DatasetDict([['train', Dataset.from_list(rows)]])
    expect(inspect(splits)).toBe(
      "DatasetDict({\n    train: Dataset({\n        features: ['text', 'n'],\n        num_rows: 9\n    })\n})",
    )
    expect(await html(splits)).toMatch(/<h4>train<\/h4>.*&lt;row 0&gt;/)
  })

  it('as a stream shows what is known, and reads nothing', async () => {
    let read = 0
    const stream = IterableDataset.from_generator(function* () {
      read++
      yield { a: 1 }
    })
    expect(inspect(stream)).toBe('IterableDataset({\n    features: Unknown\n})')
    expect(inspect(new IterableDataset(() => stream.chunks(), ['a', '<b>']))).toBe(
      "IterableDataset({\n    features: ['a', '<b>']\n})",
    )
    expect(await html(stream)).toContain('columns are known when rows come; nothing is read')
    const splits = new IterableDatasetDict([['train', stream]])
    expect(inspect(splits)).toBe(
      'IterableDatasetDict({\n    train: IterableDataset({\n        features: Unknown\n    })\n})',
    )
    expect(await html(splits)).toContain('<h4>train</h4>')
    expect(read).toBe(0)
  })
})

it('a trainer, its result and a tokenizer show figures, not their insides', async () => {
  const trainer = await tinyTrainer({ max_steps: 2 })
  expect(inspect(trainer)).toMatch(
    /^SFTTrainer\(not started: step 0, epoch 0, cpu [\d.]+ \w+ \(peak .*\), process .*\)$/,
  )
  const output = await trainer.train()
  expect(inspect(trainer)).toMatch(
    /^SFTTrainer\(ended: step 2 of 2, epoch 0.5, loss [\d.]+, learning rate .*, \d+ tokens\/s, /,
  )
  expect(await html(trainer)).toContain('class="qlora-chart"')
  expect(await html(output)).toMatch(/<caption[^>]*>TrainOutput<\/caption>.*global_step<\/td><td[^>]*>2</)
  expect(await text(output)).toContain('global_step: 2')
  expect(Object.keys(output)).toEqual(['global_step', 'training_loss', 'metrics', 'stopped'])
  const tokenizer = await sharedTokenizer()
  expect(await text(tokenizer)).toMatch(
    /^PreTrainedTokenizer \{\n {2}name_or_path: .*,\n {2}vocab_size: 265,/,
  )
})
