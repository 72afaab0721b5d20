import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it, vi } from 'vitest'
import { SFTTrainer } from '../../src/trainer/sft-trainer'
import { LoraConfig } from '../../src/peft/config'
import { cleanHubEnvironment } from '../files/support/hub-case'
import { HubReceiver } from '../files/support/hub-receive'
import { HubServer } from '../files/support/hub-server'
import { temporaryFolder } from '../files/support/temporary'
import { trainerOptions } from './tiny'

cleanHubEnvironment()
let hub: HubServer
beforeEach(async () => {
  hub = await HubServer.start()
  hub.receiver = new HubReceiver(hub, 'hf_x')
  vi.stubEnv('HF_ENDPOINT', hub.endpoint)
  vi.stubEnv('HF_HOME', await temporaryFolder())
  vi.stubEnv('HF_TOKEN', 'hf_x')
})

it('the card tells data, arguments, losses and versions; a trained adapter is uploaded with it', async () => {
  const trainer = new SFTTrainer(
    await trainerOptions({ learning_rate: 5e-3 }, { peft_config: new LoraConfig({ r: 3 }) }),
  )
  await trainer.train()
  await trainer.create_model_card({ model_name: 'My model', dataset_name: 'owner/rows', tags: ['mine'] })
  const card = await readFile(join(trainer.args.output_dir, 'README.md'), 'utf8')
  for (const part of [
    ...['library_name: peft', 'datasets:\n- owner/rows', '- mine', '# My model', 'Rank 3, alpha 8'],
    ...['owner/rows: ', ' rows (columns text), 4 steps', '| learning_rate | 0.005 |', '| max_steps | 4 |'],
    ...['| step | epoch | loss | eval_loss |', `| Node.js | ${process.versions.node} |`, '| qlora | '],
  ])
    expect(card).toContain(part)
  const { loss } = trainer.state.log_history[0]!
  expect(card).toContain(`| 1 | 0.`)
  expect(card).toContain(String(Number(loss!.toPrecision(5))))
  expect(card).not.toContain(trainer.args.output_dir)
  const begun: number[] = []
  trainer.add_callback({
    on_push_begin: (_, state) => void begun.push(state.global_step, hub.receiver!.commits.length),
  })
  const url = await trainer.push_to_hub('me/run', { commit_message: 'End of training' })
  expect(url).toBe(`${hub.endpoint}/me/run`)
  const { files } = hub.repos.find(({ key }) => key === 'model/me/run')!
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
      'tokenizer.json',
    ]),
  )
  expect(files['README.md']!.toString()).toContain('## Losses')
  expect(hub.receiver!.commits).toEqual(['End of training'])
  expect(begun).toEqual([4, 0])
  trainer.dispose()
})
