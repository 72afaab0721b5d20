import { existsSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { filesUnder, fingerprint, isStamped, root, run, stamp } from './step.mjs'

/** A step that compiles the TypeScript of one folder, with the options of `project`, to `output`. */
function compiled({ title, source, project, output }) {
  const print = () => fingerprint([source, project, 'tsconfig.json', 'node_modules/typescript/package.json'])

  /** Outputs of a source that is gone would still be found by `require`. */
  function removeStale() {
    for (const file of filesUnder([output])) {
      const from = relative(join(root, output), file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
      if (from.endsWith('.ts') && !existsSync(join(root, source, from))) rmSync(file)
    }
  }

  return {
    title,
    isCurrent: () => isStamped(output, print()),
    make: async () => {
      const before = print()
      const tsc = 'node_modules/typescript/bin/tsc'
      await run(output, process.execPath, [tsc, '-p', project, '--noEmitOnError'])
      removeStale()
      stamp(output, before)
    },
  }
}

export const library = compiled({
  title: 'library (tsc)',
  source: 'src',
  project: 'tsconfig.json',
  output: 'dist',
})

export const ownKernel = compiled({
  title: 'kernel (tsc)',
  source: 'kernel',
  project: 'kernel/tsconfig.json',
  output: 'dist-kernel',
})
