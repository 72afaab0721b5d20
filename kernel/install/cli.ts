#!/usr/bin/env node
/** `qlora kernel install | uninstall | doctor [--user | --sys-prefix [--python FILE] | --prefix FOLDER]` */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { faults, install, prefixPlace, sysPrefixPlace, uninstall, userPlace, type Place } from './spec'

const usage =
  'usage: qlora kernel install | uninstall | doctor [--user | --sys-prefix [--python FILE] | --prefix FOLDER]'

function place(options: { user?: boolean; 'sys-prefix'?: boolean; python?: string; prefix?: string }): Place {
  const given = [options.user, options['sys-prefix'], options.prefix].filter((value) => value !== undefined)
  if (given.length > 1) throw new Error('--user, --sys-prefix and --prefix: only one of them')
  if (options.python !== undefined && options['sys-prefix'] !== true)
    throw new Error('--python: only with --sys-prefix')
  if (options.prefix !== undefined) return prefixPlace(options.prefix)
  return options['sys-prefix'] ? sysPrefixPlace(options.python) : userPlace()
}

/** Checks whether the modules that the kernel needs can be loaded. */
function loadFaults(): string[] {
  return ['zeromq', 'tslab/dist/converter.js'].flatMap((name) => {
    try {
      createRequire(__filename)(name)
      return []
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : String(error)}`]
    }
  })
}

function main(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      user: { type: 'boolean' },
      'sys-prefix': { type: 'boolean' },
      python: { type: 'string' },
      prefix: { type: 'string' },
    },
  })
  const [group, command, ...rest] = positionals
  if (group !== 'kernel' || command === undefined || rest.length > 0) throw new Error(usage)
  const target = place(values)
  switch (command) {
    case 'install':
      console.log(`installed: ${install(target)}`)
      return 0
    case 'uninstall':
      console.log(uninstall(target) ? `removed from ${target.data}` : `there was none in ${target.data}`)
      return 0
    case 'doctor': {
      const found = [...faults(target), ...loadFaults()]
      console.log(found.length > 0 ? found.join('\n') : `the kernel in ${target.data} is in order`)
      return found.length > 0 ? 1 : 0
    }
    default:
      throw new Error(usage)
  }
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
