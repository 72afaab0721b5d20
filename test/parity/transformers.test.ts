import { cpSync, mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { Linear4bit } from '../../src/nn/linear4bit'
import { code4bit } from '../../src/quantization/codes'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { isNested } from '../../src/quantization/weight-4bit'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import type { Tensor } from '../../src/tensor/tensor'
import { golden, titled } from '../support/shared'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle, tensorsAt } from './oracle'
import { maxAbs, numbers, relative } from './support'

// Weights quantized here against files that transformers wrote, and files written here read by transformers.

const forms = [
  { golden: 'tiny-llama-nf4', bnb_4bit_use_double_quant: true },
  { golden: 'tiny-llama-nf4-nodq', bnb_4bit_use_double_quant: false },
]
const inputs = { input_ids: [[1, 17, 140, 233, 9, 78, 211, 45]], attention_mask: [[1, 1, 1, 1, 1, 1, 1, 1]] }

function quantized(bnb_4bit_use_double_quant: boolean): Promise<CausalLM> {
  const quantization_config = new BitsAndBytesConfig({
    load_in_4bit: true,
    bnb_4bit_quant_type: 'nf4',
    bnb_4bit_use_double_quant,
  })
  return AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { quantization_config })
}

/** What bitsandbytes stores of the quantized layers, by key; the model keeps the tensors. */
function storedTensors(model: CausalLM): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {}
  for (const slot of model.linearSlots()) {
    const layer = slot.get()
    if (!(layer instanceof Linear4bit)) continue
    const { codes, absmax } = layer.weight
    const key = `${slot.name}.weight`
    tensors[key] = codes.view([codes.numel, 1])
    if (!isNested(absmax)) tensors[`${key}.absmax`] = absmax
    else {
      tensors[`${key}.absmax`] = absmax.q
      tensors[`${key}.nested_absmax`] = absmax.absmax
      tensors[`${key}.nested_quant_map`] = absmax.codeMap
    }
  }
  return tensors
}

async function jsonOf(tensor: Tensor): Promise<Record<string, unknown>> {
  return JSON.parse(new TextDecoder().decode(await tensor.bytes())) as Record<string, unknown>
}

describe.each(forms)(
  'tiny-llama quantized here, and $golden',
  ({ golden: name, bnb_4bit_use_double_quant }) => {
    it('codes and block maxima are equal bit for bit', async () => {
      const model = await quantized(bnb_4bit_use_double_quant)
      const ours = storedTensors(model)
      const file = await load_safetensors(golden(name, 'model.safetensors'))
      // Nothing of the file is left out: codes, maxima, and what the next test compares.
      const rest = Object.keys(file).filter((key) => !(key in ours) && /_proj\./.test(key))
      expect(rest.filter((key) => !/\.quant_map$|quant_state\.bitsandbytes__nf4$/.test(key))).toEqual([])
      expect(Object.keys(ours)).toHaveLength(21 * (bnb_4bit_use_double_quant ? 4 : 2))
      for (const [key, tensor] of Object.entries(ours)) {
        expect([tensor.shape, tensor.dtype], key).toEqual([file[key]!.shape, file[key]!.dtype])
        if (key.endsWith('.nested_absmax')) {
          // Maxima of differences to a mean, whose last digit depends on the order of summing.
          expect(relative(await numbers(tensor), await numbers(file[key]!)), key).toBeLessThanOrEqual(1e-6)
        } else expect(Buffer.compare(await tensor.bytes(), await file[key]!.bytes()), key).toBe(0)
      }
      for (const tensor of Object.values(file)) tensor.dispose()
      model.dispose()
    })

    it('code table and quant state are equal', async () => {
      const model = await quantized(bnb_4bit_use_double_quant)
      const file = await load_safetensors(golden(name, 'model.safetensors'))
      for (const slot of model.linearSlots()) {
        const layer = slot.get()
        if (!(layer instanceof Linear4bit)) continue
        const { quantType, blocksize, shape, dtype, absmax } = layer.weight
        const key = `${slot.name}.weight`
        expect(await numbers(file[`${key}.quant_map`]!)).toEqual(code4bit.nf4)
        const { nested_offset, ...state } = await jsonOf(file[`${key}.quant_state.bitsandbytes__nf4`]!)
        const nested = isNested(absmax) ? { nested_blocksize: absmax.blocksize, nested_dtype: 'float32' } : {}
        expect(state).toEqual({ quant_type: quantType, blocksize, dtype, shape, ...nested })
        if (!isNested(absmax)) expect(nested_offset).toBeUndefined()
        else
          expect(Math.abs((await absmax.offset.item()) / (nested_offset as number) - 1)).toBeLessThanOrEqual(
            1e-6,
          )
      }
      for (const tensor of Object.values(file)) tensor.dispose()
      model.dispose()
    })
  },
)

describe.skipIf(!oraclePython)(titled('transformers reads what we write', oraclePython, oracleNeeds), () => {
  const plain = ['tiny-llama', 'tiny-llama-tied']
  const names = [...plain, ...forms.map((form) => form.golden)]
  let folder: string
  let theirs: Awaited<ReturnType<typeof tensorsAt>>
  const ours = new Map<string, Float32Array>()

  /** A model folder: the golden file's tensors through our reader and writer, some replaced by ours. */
  async function write(name: string, model: CausalLM, replaced: Record<string, Tensor> = {}): Promise<void> {
    const tensors = await load_safetensors(golden(name, 'model.safetensors'))
    mkdirSync(join(folder, name))
    await save_safetensors(join(folder, name, 'model.safetensors'), { ...tensors, ...replaced })
    cpSync(golden(name, 'config.json'), join(folder, name, 'config.json'))
    for (const tensor of Object.values(tensors)) tensor.dispose()
    const { logits } = await model.forward(inputs)
    ours.set(name, await numbers(logits))
    logits.dispose()
    model.dispose()
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'qlora-transformers-'))
    for (const name of plain)
      await write(name, await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' }))
    for (const { golden: name, bnb_4bit_use_double_quant } of forms) {
      const model = await quantized(bnb_4bit_use_double_quant)
      await write(name, model, storedTensors(model))
    }
    const output = join(folder, 'logits.safetensors')
    const cases = names.map((name) => ({ name, base: join(folder, name), adapter: null, ...inputs }))
    await runOracle('peft_logits.py', { cases, output })
    theirs = await tensorsAt(output)
  }, oracleTimeout)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(names)('%s', (name) => {
    expect(maxAbs(ours.get(name)!, theirs.get(name)!.data)).toBeLessThanOrEqual(5e-5)
  })
})
