import { existsSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { filesUnder, fingerprint, isStamped, root, run, stamp } from './step.mjs'

const print = () => fingerprint(['src', 'tsconfig.json', 'node_modules/typescript/package.json'])

/** Outputs of a source that is gone would still be found by `require`. */
function removeStale() {
  for (const file of filesUnder(['dist'])) {
    const source = relative(join(root, 'dist'), file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (source.endsWith('.ts') && !existsSync(join(root, 'src', source))) rmSync(file)
  }
}

async function compile() {
  const before = print()
  await run('library', process.execPath, ['node_modules/typescript/bin/tsc', '--noEmitOnError'])
  removeStale()
  stamp('dist', before)
}

export const library = {
  title: 'library (tsc)',
  isCurrent: () => isStamped('dist', print()),
  make: compile,
}
