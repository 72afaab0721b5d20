// Puts the files of a folder into the hub's cache, as if they had been downloaded: blobs, a snapshot of links to them, the ref.
// For machines without a hub. usage: node hub-cache.mjs CACHE model|dataset OWNER/NAME FOLDER [--dist ../../dist]
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, realpathSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const hash = (algorithm, text) => createHash(algorithm).update(text).digest('hex')

/** Moves the files (no subfolders, same disk as the cache); returns the snapshot's folder. Hashes are of names, not of contents. */
export async function moveToHubCache(folder, { cacheDir, type, id }, dist) {
  const { RepoCache } = createRequire(import.meta.url)(join(dist, 'files/hub-cache.js'))
  const cache = new RepoCache(resolve(cacheDir), { type, id, revision: 'main' })
  const commit = hash('sha1', id)
  mkdirSync(join(cache.folder, 'blobs'), { recursive: true })
  for (const name of readdirSync(folder)) {
    const etag = hash('sha256', `${id}/${name}`)
    renameSync(join(folder, name), cache.blob(etag))
    await cache.link(commit, name, etag)
  }
  await cache.writeRef(commit)
  return cache.snapshot(commit)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') } },
  })
  const [cacheDir, type, id, folder] = positionals
  console.log(await moveToHubCache(folder, { cacheDir, type, id }, resolve(values.dist)))
}
