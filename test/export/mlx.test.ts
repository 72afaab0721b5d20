import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scalingFor } from '../../src/peft/targets'
import type { LoraInit } from '../../src/peft/config'
import { load_safetensors } from '../../src/tensor/safetensors'
import type { Tensor } from '../../src/tensor/tensor'
import { temporaryFolder } from '../files/support/temporary'
import { adapted } from './support'

interface MlxConfig {
  fine_tune_type: string
  num_layers: number
  lora_parameters: { rank: number; scale: number; dropout: number; keys: string[] }
}

async function saved(
  name: string,
  lora: LoraInit,
): Promise<{
  peft: Awaited<ReturnType<typeof adapted>>
  config: MlxConfig
  tensors: Record<string, Tensor>
}> {
  const folder = await temporaryFolder()
  const peft = await adapted(name, structuredClone(lora))
  await peft.save_pretrained_mlx(folder)
  const config = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as MlxConfig
  return { peft, config, tensors: await load_safetensors(join(folder, 'adapters.safetensors')) }
}

describe('save_pretrained_mlx', () => {
  // mlx-lm's LoRALinear: y + scale * ((x @ lora_a) @ lora_b), lora_a [in, r], lora_b [r, out].
  it.each([
    ['tiny-llama', {}],
    ['tiny-llama', { use_rslora: true, lora_alpha: 3 }],
    ['tiny-qwen2', { alpha_pattern: { v_proj: 9 } }],
    ['tiny-llama', { use_dora: true }],
  ] as const)('%s %j: scale times A B is the update, transposed', async (name, lora) => {
    const { peft, config, tensors } = await saved(name, lora as LoraInit)
    const layers = peft.config.num_hidden_layers
    expect(config).toMatchObject({
      fine_tune_type: 'use_dora' in lora ? 'dora' : 'lora',
      num_layers: layers,
      lora_parameters: { rank: 4, dropout: 0 },
    })
    const { keys, scale } = config.lora_parameters
    expect(keys.sort()).toEqual(
      ['mlp.down_proj', 'mlp.gate_proj', 'mlp.up_proj'].concat(
        ['k', 'o', 'q', 'v'].map((which) => `self_attn.${which}_proj`),
      ),
    )
    const perLayer = 'use_dora' in lora ? 3 : 2
    expect(Object.keys(tensors).length).toBe(perLayer * keys.length * layers)
    const own = new Map(peft.named_parameters().map(([key, { data }]) => [key, data]))
    for (const key of ['layers.0.self_attn.q_proj', 'layers.1.self_attn.v_proj', 'layers.1.mlp.down_proj']) {
      const [a, b] = ['lora_a', 'lora_b'].map((part) => tensors[`model.${key}.${part}`]!)
      const [A, B] = ['A', 'B'].map((part) => own.get(`base_model.model.model.${key}.lora_${part}.weight`)!)
      expect([a!.shape, b!.shape]).toEqual([
        [A!.cols, A!.rows],
        [B!.cols, B!.rows],
      ])
      const [av, bv, Av, Bv] = await Promise.all([a, b, A, B].map((tensor) => tensor!.data()))
      const [inner, rank, outer] = [A!.cols, A!.rows, B!.rows]
      const factor = scalingFor(`model.${key}`, peft.peft_config)
      for (let i = 0; i < inner; i += 7)
        for (let o = 0; o < outer; o += 5) {
          let [theirs, ours] = [0, 0]
          for (let k = 0; k < rank; k++) {
            theirs += scale * av![i * rank + k]! * bv![k * outer + o]!
            ours += factor * Bv![o * rank + k]! * Av![k * inner + i]!
          }
          expect(theirs).toBeCloseTo(ours, 5)
        }
      const magnitude = own.get(`base_model.model.model.${key}.lora_magnitude_vector`)
      if (magnitude) expect(await tensors[`model.${key}.m`]!.data()).toEqual(await magnitude.data())
      expect(magnitude !== undefined).toBe('use_dora' in lora)
    }
  })

  it.each([
    [{ rank_pattern: { q_proj: 2 } }, 'has rank'],
    [{ modules_to_save: ['lm_head'] }, "it trained 'lm_head.weight' in full"],
  ] as const)('%j is refused with the reason', async (lora, reason) => {
    await expect(saved('tiny-llama', lora as unknown as LoraInit)).rejects.toThrow(reason)
  })
})
