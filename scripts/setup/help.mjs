// Imported first by every command: with --help it prints the comment that opens the command's file, and ends.
import { readFileSync } from 'node:fs'

if (process.argv.includes('--help')) {
  const source = readFileSync(process.argv[1], 'utf8')
  const block = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(source)?.[1]
  const lines =
    block?.split('\n') ??
    source
      .slice(0, source.search(/^(?!\/\/)/m))
      .trimEnd()
      .split('\n')
  console.log(lines.map((line) => line.replace(/^( \*|\/\/) ?/, '')).join('\n'))
  process.exit(0)
}
