import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Papa from 'papaparse'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CsvLog } from '../../../src/trainer/logs/csv'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qlora-csv-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('has the fixed columns and one line a row', async () => {
  const file = join(folder, 'log.csv')
  const log = await CsvLog.open(file)
  expect(readFileSync(file, 'utf8')).toBe('step,epoch,loss,grad_norm,learning_rate,tokens_per_second\n')
  await log.write({ step: 1, epoch: 0.02, loss: 6.5, learning_rate: 2e-4 })
  expect(readFileSync(file, 'utf8').split('\n')[1]).toBe('1,0.02,6.5,,0.0002,')
})

it('grows a column for a new key and keeps earlier rows, in order, though the calls are not awaited', async () => {
  const file = join(folder, 'log.csv')
  const log = await CsvLog.open(file)
  await Promise.all([
    log.write({ step: 1, loss: 2 }),
    log.write({ step: 2, eval_loss: 3 }),
    log.write({ step: 3, loss: 1, note: 'a "quoted", part' }),
    log.write({ step: 4, loss: 0.5 }),
  ])
  const { data } = Papa.parse<Record<string, string>>(readFileSync(file, 'utf8'), {
    header: true,
    skipEmptyLines: true,
  })
  expect(data.map((row) => [row['step'], row['loss'], row['eval_loss'], row['note']])).toEqual([
    ['1', '2', '', ''],
    ['2', '', '3', ''],
    ['3', '1', '', 'a "quoted", part'],
    ['4', '0.5', '', ''],
  ])
  expect(readdirSync(folder)).toEqual(['log.csv'])
})

it('names the file when it cannot be written', async () => {
  await expect(CsvLog.open(join(__filename, 'log.csv'))).rejects.toThrow(/log.csv: could not be written/)
})
