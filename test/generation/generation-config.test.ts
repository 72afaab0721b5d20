import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GenerationConfig } from '../../src/generation/generation-config'
import { temporaryFolder } from '../files/support/temporary'
import { tinyModel } from '../models/tiny'

it('holds what is given, and is written and read as generation_config.json', async () => {
  const folder = await temporaryFolder()
  const config = new GenerationConfig({
    temperature: 0.5,
    eos_token_id: [2, 3],
    do_sample: true,
    min_p: null,
  })
  expect(config.to_dict()).toEqual({ temperature: 0.5, eos_token_id: [2, 3], do_sample: true })
  config.max_new_tokens = 7
  await config.save_pretrained(folder)
  expect(JSON.parse(await readFile(join(folder, 'generation_config.json'), 'utf8'))).toEqual({
    ...{ do_sample: true, eos_token_id: [2, 3], max_new_tokens: 7, temperature: 0.5 },
  })
  expect(await GenerationConfig.from_pretrained(folder)).toEqual(config)
})

it('a call goes before generation_config, which goes before the file of the model', async () => {
  const model = await tinyModel()
  Object.assign(model, { generation_config: { max_new_tokens: 3, suppress_tokens: [1] } })
  const inputs = { input_ids: [[5, 6]] }
  const lengthOf = async (options: object): Promise<number> =>
    (await model.generate(inputs, options))[0]!.length - 2
  const generation_config = new GenerationConfig({ max_new_tokens: 5, eos_token_id: [] })
  expect(await lengthOf({ eos_token_id: [] })).toBe(3)
  expect(await lengthOf({ generation_config })).toBe(5)
  expect(await lengthOf({ generation_config: { max_new_tokens: 5, eos_token_id: [] } })).toBe(5)
  expect(await lengthOf({ generation_config, max_new_tokens: 4 })).toBe(4)
})

it('refuses unknown options, those of a call, and wrong values by file and field', async () => {
  expect(() => new GenerationConfig({ temprature: 1 } as never)).toThrow(
    "[GenerationConfig] unknown option 'temprature'. Did you mean 'temperature'?",
  )
  expect(() => new GenerationConfig({ streamer: null } as never)).toThrow(
    '[GenerationConfig] streamer belongs to a call: generate(inputs, { streamer })',
  )
  const folder = await temporaryFolder()
  await expect(GenerationConfig.from_pretrained(folder)).rejects.toThrow('has no generation_config.json')
  const file = join(folder, 'generation_config.json')
  await writeFile(file, JSON.stringify({ transformers_version: '5.0', top_p: 1.5, top_k: null }))
  await expect(GenerationConfig.from_pretrained(folder)).rejects.toThrow(
    `${file}: [GenerationConfig] top_p: got 1.5, needs a number >= 0 and <= 1`,
  )
  await writeFile(file, JSON.stringify({ transformers_version: '5.0', top_p: 0.5, top_k: null }))
  expect((await GenerationConfig.from_pretrained(folder)).to_dict()).toEqual({ top_p: 0.5 })
})
