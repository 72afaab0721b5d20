import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { lossTable, newestRun } from '../../scripts/training-report.mjs'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qlora-report-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(path: string, content: unknown, seconds: number): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(content))
  utimesSync(file, seconds, seconds)
}

it('takes the newest log and the adapters of this run, not older ones, checkpoints or packages', () => {
  write('out/checkpoint-5/trainer_state.json', { log_history: [{ step: 5, loss: 2 }] }, 2000)
  write('out/checkpoint-10/trainer_state.json', { log_history: [{ step: 10, loss: 1 }] }, 2010)
  write('out/checkpoint-10/adapter_config.json', {}, 2010)
  write('mine/adapter_config.json', {}, 2020)
  write('old/adapter_config.json', {}, 1000)
  write('node_modules/x/adapter_config.json', {}, 2030)
  expect(newestRun(folder, 1_500_000)).toEqual({
    history: [{ step: 10, loss: 1 }],
    adapters: [join(folder, 'mine')],
  })
})

it('says so when nothing was trained', () => {
  expect(newestRun(folder, 0)).toEqual({ history: undefined, adapters: [] })
})

it('prints the rows with a loss, right-aligned; a missing value stays empty', () => {
  const table = lossTable([
    { step: 5, epoch: 0.1, loss: 2.34567, grad_norm: 12.5, learning_rate: 2e-4 },
    { step: 10, loss: 1 },
    { step: 10, train_runtime: 3 },
  ])
  expect(table.split('\n')).toEqual([
    'step  epoch    loss  grad_norm  learning_rate',
    '   5   0.10  2.3457    12.5000       2.000e-4',
    '  10         1.0000                          ',
  ])
})
