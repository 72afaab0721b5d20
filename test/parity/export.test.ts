import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { temporaryFolder } from '../files/support/temporary'
import { adapted, families, load } from '../export/support'
import { golden, titled } from '../support/shared'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle, tensorsAt } from './oracle'
import { maxAbs, numbers } from './support'

// transformers loads the folders that this library writes, and gives our logits.

const inputs = { input_ids: [[1, 17, 40, 33, 9, 78, 111, 45]], attention_mask: [[1, 1, 1, 1, 1, 1, 1, 1]] }
const nf4 = new BitsAndBytesConfig({
  ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_use_double_quant: true },
  bnb_4bit_compute_dtype: 'float32',
})

describe.skipIf(!oraclePython)(titled('whole models read by transformers', oraclePython, oracleNeeds), () => {
  it(
    'in a float dtype and in 4 bits, merged or not',
    async () => {
      const folder = await temporaryFolder()
      const cases: { name: string; base: string }[] = []
      const ours = new Map<string, Float32Array>()
      const keep = async (name: string, model: Awaited<ReturnType<typeof load>>): Promise<void> => {
        const { logits } = await model.forward(inputs)
        ours.set(name, await numbers(logits))
        logits.dispose()
        cases.push({ name, base: join(folder, name) })
      }
      for (const name of families) {
        const peft = await adapted(name)
        await peft.save_pretrained_merged(join(folder, name), null, { max_shard_size: '100KB' })
        await keep(name, await load(join(folder, name)))
      }
      for (const bnb_4bit_quant_storage of ['uint8', 'bfloat16'] as const) {
        const name = `nf4-${bnb_4bit_quant_storage}`
        const quantization_config = BitsAndBytesConfig.from_dict({ ...nf4.to_dict(), bnb_4bit_quant_storage })
        const model = await load(golden('tiny-llama'), { quantization_config })
        await model.save_pretrained(join(folder, name))
        await keep(name, model)
      }
      const peft = await adapted('tiny-llama', {}, { quantization_config: nf4 })
      await peft.save_pretrained_merged(join(folder, 'merged-nf4'), null, { save_method: 'merged_4bit' })
      await keep('merged-nf4', await load(join(folder, 'merged-nf4')))
      const output = join(folder, 'logits.safetensors')
      await runOracle('peft_logits.py', {
        cases: cases.map((c) => ({ ...c, adapter: null, ...inputs })),
        output,
      })
      const theirs = await tensorsAt(output)
      const distances = cases.map(
        ({ name }) => [name, maxAbs(ours.get(name)!, theirs.get(name)!.data)] as const,
      )
      expect(distances.filter(([, distance]) => !(distance <= 1e-4))).toEqual([])
    },
    oracleTimeout,
  )
})
