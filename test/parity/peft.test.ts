import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { AdamW } from '../../src/optim/adamw'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model, PeftModel } from '../../src/peft/model'
import { golden, titled } from '../support/shared'
import { familyModels } from './family-models'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle, tensorsAt } from './oracle'
import { goldenJson, masked, maxAbs, numbers } from './support'

// Adapters cross between this library and PEFT in both directions: same base, same adapter folder, same logits.

const TOLERANCE = 5e-5
/** Real rows and padding on the right, as in training. */
const inputs = {
  input_ids: [
    [1, 17, 40, 33, 9, 78, 111, 45],
    [1, 101, 66, 120, 0, 0, 0, 0],
  ],
  attention_mask: [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 0, 0, 0],
  ],
}

const saved: { name: string; base: string; lora: LoraInit }[] = [
  { name: 'defaults', base: 'tiny-llama-nf4', lora: {} },
  {
    name: 'all-linear',
    base: 'tiny-llama-nf4',
    lora: { target_modules: 'all-linear', r: 4, lora_alpha: 32 },
  },
  { name: 'rslora', base: 'tiny-llama-nf4', lora: { target_modules: 'all-linear', use_rslora: true } },
  { name: 'dora', base: 'tiny-llama-nf4', lora: { target_modules: 'all-linear', use_dora: true } },
  ...Object.values(familyModels).map(({ model }) => ({
    ...{ name: model, base: model },
    lora: { target_modules: 'all-linear' },
  })),
  { name: 'lm_head', base: 'tiny-llama-nf4', lora: { modules_to_save: ['lm_head'] } },
  { name: 'bias all', base: 'tiny-llama-bias-nf4', lora: { bias: 'all' } },
  {
    name: 'bias lora_only',
    base: 'tiny-llama-bias-nf4',
    lora: { bias: 'lora_only', target_modules: ['o_proj', 'up_proj'] },
  },
  {
    name: 'patterns',
    base: 'tiny-llama-nf4-nodq',
    lora: {
      target_modules: ['q_proj', 'down_proj'],
      layers_to_transform: [0, 2],
      rank_pattern: { 'layers.2.self_attn.q_proj': 3 },
      alpha_pattern: { down_proj: 64 },
    },
  },
]
const variants = ['qv', 'all_linear', 'all_linear_rslora', 'all_linear_dora', 'qv_lm_head', 'bias_all']

let folder: string
let theirs: Awaited<ReturnType<typeof tensorsAt>>
let said: { config_keys: string[]; warnings: string[] }
const ours = new Map<string, Float32Array>()

async function logitsOf(model: PeftModel): Promise<Float32Array> {
  const { logits } = await model.forward(inputs)
  const values = await numbers(logits)
  logits.dispose()
  return values
}

/** A few real steps, so that what is saved is a trained adapter. */
async function trainAndSave(name: string, base: string, lora: LoraInit): Promise<void> {
  const bare = await AutoModelForCausalLM.from_pretrained(golden(base), { dtype: 'float32' })
  const model = get_peft_model(
    bare,
    new LoraConfig({ init_lora_weights: false, task_type: 'CAUSAL_LM', ...lora }),
    { seed: 5 },
  )
  const optimizer = new AdamW(model.parameters())
  for (let step = 0; step < 3; step++) {
    optimizer.zeroGrad()
    await model.forward_backward({ ...inputs, labels: inputs.input_ids })
    optimizer.step(1e-2)
  }
  ours.set(name, await logitsOf(model))
  await model.save_pretrained(join(folder, name))
  optimizer.dispose()
  model.dispose()
}

function expectSame(name: string): void {
  const { shape, data } = theirs.get(name)!
  const vocab = shape[2]!
  const mask = inputs.attention_mask
  expect(maxAbs(masked(ours.get(name)!, mask, vocab), masked(data, mask, vocab))).toBeLessThanOrEqual(
    TOLERANCE,
  )
}

describe.skipIf(!oraclePython)(
  titled('adapters between this library and PEFT', oraclePython, oracleNeeds),
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'qlora-peft-'))
      for (const { name, base, lora } of saved) await trainAndSave(name, base, lora)
      const bases = variants.map((v) => goldenJson<{ base: string }>('lora_step', v, 'log.json').base)
      for (const [i, variant] of variants.entries()) {
        const base = await AutoModelForCausalLM.from_pretrained(golden(bases[i]!), { dtype: 'float32' })
        const model = await PeftModel.from_pretrained(base, golden('lora_step', variant, 'init'))
        ours.set(variant, await logitsOf(model))
        model.dispose()
      }
      const cases = [
        ...saved.map((s) => ({
          name: s.name,
          base: golden(s.base),
          adapter: join(folder, s.name),
          ...inputs,
        })),
        ...saved.map((s) => ({ name: `${s.name} without`, base: golden(s.base), adapter: null, ...inputs })),
        ...variants.map((v, i) => ({
          name: v,
          base: golden(bases[i]!),
          adapter: golden('lora_step', v, 'init'),
          ...inputs,
        })),
      ]
      const output = join(folder, 'logits.safetensors')
      said = await runOracle('peft_logits.py', { cases, output })
      theirs = await tensorsAt(output)
    }, oracleTimeout)
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it.each(saved)('PEFT loads what we trained and saved: $name', ({ name }) => {
      expectSame(name)
      // An adapter that moved nothing would prove nothing.
      expect(maxAbs(theirs.get(name)!.data, theirs.get(`${name} without`)!.data)).toBeGreaterThan(0.05)
    })

    it.each(variants)('we load what PEFT saved: %s', (variant) => expectSame(variant))

    it('adapter_config.json has the keys of PEFT, none missing, none more', () => {
      const config = JSON.parse(
        readFileSync(join(folder, 'defaults', 'adapter_config.json'), 'utf8'),
      ) as object
      expect(Object.keys(config)).toEqual(said.config_keys)
      expect(said.warnings).toEqual([])
    })
  },
)
