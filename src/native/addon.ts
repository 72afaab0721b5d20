import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { NativeAddon } from './contract'

let loaded: NativeAddon | undefined

/** The package's folder: src/native or dist/native is two levels below it. */
const packageRoot: string = resolve(__dirname, '../..')

/**
 * The paths where the addon may be; the first that exists is loaded. `QLORA_ADDON` names a file and replaces
 * the list.
 */
export function addonPlaces(): string[] {
  const named = process.env['QLORA_ADDON']
  if (named) return [named]
  return [join(packageRoot, 'build/Release/qlora.node'), join(packageRoot, 'qlora.node')]
}

/**
 * Runs `body`, which must be synchronous, with another implementation of the contract in place of the native
 * one.
 */
export function withAddon<T>(substitute: NativeAddon, body: () => T): T {
  const before = loaded
  loaded = substitute
  try {
    return body()
  } finally {
    loaded = before
  }
}

/**
 * The native addon, loaded on first use.
 * @throws Error naming the places searched when it has not been built, or the loader's reason when it does not load.
 */
export function addon(): NativeAddon {
  if (loaded) return loaded
  const places = addonPlaces()
  const path = places.find((p) => existsSync(p))
  if (!path) {
    throw new Error(
      `qlora's native addon was not found (looked at ${places.join(', ')}); build it with: npm run build`,
    )
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a .node file can only be required
  loaded = require(path) as NativeAddon
  return loaded
}
