import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  name: string
  main: string
  types: string
}

const root = join(__dirname, '..')

/** The package that this kernel belongs to; cells can import it if the notebook's folder has none installed. */
export function ownLibrary(): { name: string; main: string; types: string } | undefined {
  const { name, main, types } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const library = { name, main: join(root, main), types: join(root, types) }
  return existsSync(library.types) ? library : undefined
}
