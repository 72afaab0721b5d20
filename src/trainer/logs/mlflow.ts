import { messageOf } from '../../files/atomic'
import { logger } from '../../logging'
import type { TrainerCallback } from '../callbacks'
import type { LogRow } from '../state'

// What MLflow takes in one request, and in one value.
const PARAMS_A_REQUEST = 100
const LONGEST_VALUE = 500

type Answer = Record<string, unknown>

/** MLflow's REST interface, version 2.0, as far as a run needs it. */
class MlflowServer {
  constructor(
    private readonly address: string,
    private readonly authorization: string | undefined,
  ) {}

  /** @throws Error with MLflow's own message, or why the server cannot be reached. */
  async ask(method: 'GET' | 'POST', path: string, body: Answer): Promise<Answer> {
    const query = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>).toString()}` : ''
    const response = await fetch(`${this.address}/api/2.0/mlflow/${path}${query}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(this.authorization && { authorization: this.authorization }),
      },
      ...(method === 'POST' && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new Error(`[mlflow] ${this.address} cannot be reached: ${causeOf(error)}`, { cause: error })
    })
    const answer = (await response.json().catch(() => ({}))) as Answer
    if (response.ok) return answer
    const { error_code = response.status, message = response.statusText } = answer
    throw new MlflowError(`[mlflow] ${path}: ${String(error_code)}: ${String(message)}`, String(error_code))
  }
}

class MlflowError extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message)
  }
}

const causeOf = (error: unknown): string => {
  const { cause } = error as { cause?: unknown }
  return messageOf(cause instanceof Error ? cause : error)
}

/**
 * `report_to: 'mlflow'`: a run on the tracking server that MLFLOW_TRACKING_URI names, with the arguments as
 * parameters and each log row as metrics. MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_TOKEN or
 * MLFLOW_TRACKING_USERNAME and _PASSWORD act as in Python. A row that cannot be sent is warned of; training goes on.
 *
 * @throws Error when MLFLOW_TRACKING_URI is no http address.
 */
export function mlflowReporter(env: NodeJS.ProcessEnv = process.env): TrainerCallback {
  const address = env['MLFLOW_TRACKING_URI'] ?? ''
  if (!/^https?:\/\//.test(address))
    throw new Error(
      `[TrainingArguments] report_to 'mlflow': MLFLOW_TRACKING_URI is '${address}'; set it to the http address of a tracking server`,
    )
  const server = new MlflowServer(address.replace(/\/+$/, ''), authorizationOf(env))
  let run_id: string | undefined
  const send = async (path: string, body: Answer, what: string): Promise<void> => {
    if (run_id === undefined) return
    await server.ask('POST', path, { run_id, ...body }).catch((error: unknown) => {
      logger.warning(`${what} is not logged: ${messageOf(error)}`)
    })
  }
  return {
    on_train_begin: async (args, state) => {
      // A run that goes on is the same run there.
      if (state.global_step > 0 && run_id !== undefined)
        return send('runs/update', { status: 'RUNNING' }, 'that the run goes on')
      const experiment_id = await experimentOf(server, env['MLFLOW_EXPERIMENT_NAME'] ?? 'Default')
      const name = args.run_name ?? args.output_dir
      const made = await server.ask('POST', 'runs/create', {
        experiment_id,
        start_time: Date.now(),
        run_name: name,
        tags: [{ key: 'mlflow.runName', value: name }],
      })
      run_id = (made['run'] as { info: { run_id: string } }).info.run_id
      const params = paramsOf(JSON.parse(args.to_json_string()) as Answer)
      for (let at = 0; at < params.length; at += PARAMS_A_REQUEST)
        await send('runs/log-batch', { params: params.slice(at, at + PARAMS_A_REQUEST) }, 'an argument')
    },
    on_log: (_, { global_step }, __, logs) =>
      send('runs/log-batch', { metrics: metricsOf(logs, global_step) }, `the row of step ${global_step}`),
    on_train_end: (_, __, ___, finished) =>
      send('runs/update', { status: finished ? 'FINISHED' : 'KILLED', end_time: Date.now() }, 'the end'),
  }
}

function authorizationOf(env: NodeJS.ProcessEnv): string | undefined {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: word } = env
  if (token) return `Bearer ${token}`
  return user ? `Basic ${Buffer.from(`${user}:${word ?? ''}`).toString('base64')}` : undefined
}

/** The experiment of this name, made where there is none. */
async function experimentOf(server: MlflowServer, experiment_name: string): Promise<string> {
  try {
    const found = await server.ask('GET', 'experiments/get-by-name', { experiment_name })
    return (found['experiment'] as { experiment_id: string }).experiment_id
  } catch (error) {
    if (!(error instanceof MlflowError) || error.code !== 'RESOURCE_DOES_NOT_EXIST') throw error
    const made = await server.ask('POST', 'experiments/create', { name: experiment_name })
    return made['experiment_id'] as string
  }
}

function paramsOf(values: Answer): { key: string; value: string }[] {
  return Object.entries(values)
    .map(([key, value]) => ({ key, value: typeof value === 'string' ? value : JSON.stringify(value) }))
    .filter(({ value }) => value.length <= LONGEST_VALUE)
}

/** NaN and infinities are texts in JSON, as protocol buffers read them. */
function metricsOf(logs: LogRow, step: number): Answer[] {
  const timestamp = Date.now()
  return Object.entries(logs)
    .filter(([key]) => key !== 'step')
    .map(([key, value]) => ({ key, value: Number.isFinite(value) ? value : String(value), timestamp, step }))
}
