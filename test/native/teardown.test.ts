import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Ended {
  code: number | null
  signal: string | null
  output: string
}

function child(scenario: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, [join(__dirname, 'teardown-child.mjs'), scenario])
    let output = ''
    for (const stream of [process_.stdout, process_.stderr])
      stream.on('data', (text) => (output += String(text)))
    process_.once('error', reject)
    process_.once('close', (code, signal) => resolve({ code, signal, output }))
  })
}

describe('an environment that ends during native work', () => {
  it.each(['workers', 'beside'])('does not end the process: %s', async (scenario) => {
    expect(await child(scenario)).toEqual({ code: 0, signal: null, output: 'survived\n' })
  })

  it('process.exit ends it with its own code', async () => {
    for (let i = 0; i < 10; i++) expect(await child('exit')).toEqual({ code: 3, signal: null, output: '' })
  })
})
