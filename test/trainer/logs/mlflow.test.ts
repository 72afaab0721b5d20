import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { logger } from '../../../src/logging'
import { tinyTrainer } from '../tiny'

interface Call {
  path: string
  body: Record<string, unknown>
  authorization: string | undefined
}

/** A tracking server that knows no experiment; `fails` are paths that it answers with an error. */
async function trackingServer(fails: string[] = []): Promise<{ address: string; calls: Call[] }> {
  const calls: Call[] = []
  const answers: Record<string, object> = {
    'experiments/create': { experiment_id: '7' },
    'runs/create': { run: { info: { run_id: 'r1' } } },
  }
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (part: Buffer) => (text += part.toString()))
    request.on('end', () => {
      const url = new URL(request.url!, 'http://x')
      const path = url.pathname.replace('/api/2.0/mlflow/', '')
      const body = (text ? JSON.parse(text) : Object.fromEntries(url.searchParams)) as Call['body']
      calls.push({ path, body, authorization: request.headers.authorization })
      const missing = path === 'experiments/get-by-name'
      response.statusCode = missing ? 404 : fails.includes(path) ? 500 : 200
      const error = { error_code: missing ? 'RESOURCE_DOES_NOT_EXIST' : 'INTERNAL_ERROR', message: 'no' }
      response.end(JSON.stringify(response.statusCode === 200 ? (answers[path] ?? {}) : error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

it('a run is on the tracking server with its arguments, rows and end', async () => {
  const { address, calls } = await trackingServer()
  vi.stubEnv('MLFLOW_TRACKING_URI', `${address}/`)
  vi.stubEnv('MLFLOW_EXPERIMENT_NAME', 'tiny')
  vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'secret')
  const trainer = await tinyTrainer({ report_to: 'mlflow', run_name: 'first', max_steps: 3 })
  await trainer.train()
  expect(calls.slice(0, 3).map(({ path }) => path)).toEqual([
    'experiments/get-by-name',
    'experiments/create',
    'runs/create',
  ])
  expect(calls[0]!.body).toEqual({ experiment_name: 'tiny' })
  expect(calls[2]!.body).toMatchObject({ experiment_id: '7', run_name: 'first' })
  expect(calls.every(({ authorization }) => authorization === 'Bearer secret')).toBe(true)
  const batches = calls.filter(({ path }) => path === 'runs/log-batch').map(({ body }) => body)
  expect(batches.every(({ run_id }) => run_id === 'r1')).toBe(true)
  const params = batches.flatMap(({ params: list = [] }) => list as { key: string; value: string }[])
  expect(params).toContainEqual({ key: 'learning_rate', value: '0.001' })
  const metrics = batches.flatMap(
    ({ metrics: list = [] }) => list as { key: string; value: number; step: number }[],
  )
  const losses = metrics.filter(({ key }) => key === 'loss')
  expect(losses.map(({ value, step }) => [step, value])).toEqual(
    trainer.state.log_history.flatMap((row) => ('loss' in row ? [[row['step'], row['loss']]] : [])),
  )
  expect(losses).toHaveLength(3)
  expect(metrics.some(({ key }) => key === 'train_runtime')).toBe(true)
  expect(calls.at(-1)).toMatchObject({ path: 'runs/update', body: { run_id: 'r1', status: 'FINISHED' } })
})

it('a row that is not taken is warned of, and training goes on', async () => {
  const { address } = await trackingServer(['runs/log-batch'])
  vi.stubEnv('MLFLOW_TRACKING_URI', address)
  const warn = vi.spyOn(logger, 'warning').mockImplementation(() => {})
  const trainer = await tinyTrainer({ report_to: ['mlflow', 'csv'], max_steps: 2 })
  expect(await trainer.train()).toMatchObject({ global_step: 2, stopped: false })
  expect(warn).toHaveBeenCalledWith(
    'the row of step 1 is not logged: [mlflow] runs/log-batch: INTERNAL_ERROR: no',
  )
  warn.mockRestore()
})

it('no address, and a server that is not there, are told', async () => {
  vi.stubEnv('MLFLOW_TRACKING_URI', 'file:./mlruns')
  await expect(tinyTrainer({ report_to: 'mlflow' })).rejects.toThrow(
    "report_to 'mlflow': MLFLOW_TRACKING_URI is 'file:./mlruns'; set it to the http address of a tracking server",
  )
  vi.stubEnv('MLFLOW_TRACKING_URI', 'http://127.0.0.1:9')
  const trainer = await tinyTrainer({ report_to: 'mlflow' })
  await expect(trainer.train()).rejects.toThrow('[mlflow] http://127.0.0.1:9 cannot be reached')
})
