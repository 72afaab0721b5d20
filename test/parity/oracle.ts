import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { load_safetensors } from '../../src/tensor/safetensors'

/** Python with the reference stack (test/parity/make-oracle.mjs), or undefined when it was not made. */
export const oraclePython: string | undefined = [
  process.env['QLORA_ORACLE_PYTHON'] ?? resolve(__dirname, '../../.cache/oracle/bin/python'),
].find((path) => existsSync(path))

/** What a skipped test says it needs. */
export const oracleNeeds = 'the Python oracle, made by node test/parity/make-oracle.mjs'

/** Importing torch and transformers alone takes seconds on a busy machine. */
export const oracleTimeout = 300_000

/**
 * Runs a script of this folder with `input` (a text, or anything else as JSON) as its argument; returns the JSON it prints last.
 * @throws Error with Python's stderr when the script fails.
 */
export async function runOracle<T>(script: string, input: string | object): Promise<T> {
  const argument = typeof input === 'string' ? input : JSON.stringify(input)
  // Asynchronous, so that the test runner stays responsive while torch is imported.
  const { stdout } = await promisify(execFile)(oraclePython!, [resolve(__dirname, script), argument], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' },
  })
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

/** Numbers of every tensor of a file that a script wrote. */
export async function tensorsAt(
  path: string,
): Promise<Map<string, { shape: readonly number[]; data: ArrayLike<number> }>> {
  const tensors = await load_safetensors(path)
  const result = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>()
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = await tensor.data()
    result.set(name, {
      shape: tensor.shape,
      data: data instanceof BigInt64Array ? Array.from(data, Number) : data,
    })
    tensor.dispose()
  }
  return result
}
