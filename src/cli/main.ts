#!/usr/bin/env node
/** `qlora doctor`, the commands that load a model, and `qlora kernel ...`, which the kernel's installer runs. */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { HelpRequested } from '../options/argument-parser'
import type { Terminal } from './chat'
import { examine } from './doctor'

type Command = (args: readonly string[], terminal: Terminal) => Promise<number>

/** Loaded on demand: `doctor` must run where a model cannot be loaded. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  chat: async () => (await import('./chat.js')).chatCommand,
  generate: async () => (await import('./generate.js')).generateCommand,
  serve: async () => (await import('./serve.js')).serveCommand,
  merge: async () => (await import('./merge.js')).mergeCommand,
  plan: async () => (await import('./plan.js')).planCommand,
  export: async () => (await import('./merge.js')).exportCommand,
}

const usage = `usage: qlora doctor | kernel install | uninstall | doctor
       qlora launch --nproc N SCRIPT [ARGUMENT]...
       qlora ${Object.keys(commands).join(' | ')} FOLDER [options]; --help lists the options`
const marks = { ok: 'ok     ', absent: '-      ', fault: 'FAULT  ' }

/** Prints the findings; returns 1 if something that should work does not. */
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
  if (args[0] === 'launch') return (await import('./launch.js')).launchCommand(args.slice(1))
  if (args[0] === 'kernel') {
    const installer = resolve(__dirname, '../../dist-kernel/install/cli.js')
    return spawnSync(process.execPath, [installer, ...args], { stdio: 'inherit' }).status ?? 1
  }
  const load = Object.hasOwn(commands, args[0] ?? '') ? commands[args[0]!] : undefined
  if (load) return (await load())(args.slice(1), { input: process.stdin, output: process.stdout })
  console.error(usage)
  return 2
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    if (error instanceof HelpRequested) return console.log(error.message)
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  },
)
