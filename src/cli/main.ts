#!/usr/bin/env node
/** `qlora doctor`, and `qlora kernel ...`, which the kernel's own installer answers. */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { examine } from './doctor'

const usage = 'usage: qlora doctor | kernel install | uninstall | doctor'
const marks = { ok: 'ok     ', absent: '-      ', fault: 'FAULT  ' }

/** Prints what was found; 1 when something that should work does not. */
async function doctor(): Promise<number> {
  const findings = await examine()
  const width = Math.max(...findings.map(({ what }) => what.length)) + 2
  for (const { what, state, text } of findings) {
    const [first, ...rest] = text.split('\n')
    console.log(`${marks[state]}${what.padEnd(width)}${first}`)
    for (const line of rest) console.log(' '.repeat(marks.ok.length + width) + line)
  }
  return findings.some(({ state }) => state === 'fault') ? 1 : 0
}

async function main(args: string[]): Promise<number> {
  if (args[0] === 'doctor' && args.length === 1) return doctor()
  if (args[0] === 'kernel') {
    const installer = resolve(__dirname, '../../dist-kernel/install/cli.js')
    return spawnSync(process.execPath, [installer, ...args], { stdio: 'inherit' }).status ?? 1
  }
  console.error(usage)
  return 2
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  },
)
