/**
 * What to write instead of something from IPython, a shell or Python; undefined if the line contains none of
 * it.
 */
export function hintFor(line: string, message: string): string | undefined {
  const install = /^\s*[!%]?\s*(?:pip3?|npm|conda|yarn|pnpm)\s+(?:install|add|i)\s+(.+)/.exec(line)
  if (install) {
    const names = install[1]!.split(/\s+/).filter((name) => /^[@\w]/.test(name))
    const given = (names.length > 0 ? names : ['name']).map((name) => `'${name}'`).join(', ')
    return `Packages of npm are installed by: await npm.install(${given})`
  }
  const magic = /^\s*%%?([a-z]\w*)/i.exec(line)?.[1]
  if (magic !== undefined)
    return `%${magic} is a magic of IPython, which this kernel does not have. ${insteadOfMagic(magic)}`
  const command = /^\s*!\s*(\S.*)/.exec(line)?.[1]
  if (command !== undefined) return runs(command)
  const unknown = /^Cannot find name '(\w+)'/.exec(message)?.[1]
  return unknown === undefined || !Object.hasOwn(python, unknown)
    ? undefined
    : `In TypeScript: ${python[unknown]}`
}

const python: Record<string, string> = {
  print: 'console.log(...)',
  help: 'name? in a cell of its own, or Shift-Tab behind the name',
  dir: 'Object.keys(value), or Tab behind `value.`',
  len: 'value.length, or value.size of a Map or a Set',
  range: 'Array.from({ length: n }, (_, i) => i), or for (let i = 0; i < n; i++)',
  str: 'String(value)',
  int: 'Math.trunc(Number(value))',
  True: 'true',
  False: 'false',
  None: 'null or undefined',
}

function insteadOfMagic(name: string): string {
  if (/^time/.test(name)) return "Measure by console.time('a') before and console.timeEnd('a') after it."
  if (name === 'cd')
    return 'The cells keep the folder of the notebook: write paths from there, or whole ones.'
  if (name === 'env') return "Write process.env.NAME = 'value'."
  if (name === 'matplotlib') return 'Charts need no preparation.'
  if (name === 'bash' || name === 'sh' || name === 'ls') return runs(name === 'ls' ? 'ls' : 'command')
  return 'Write it in TypeScript.'
}

const runs = (command: string): string =>
  `A command of the shell is run by: import { execSync } from 'node:child_process'; console.log(execSync(${JSON.stringify(command)}, { encoding: 'utf8' }))`
