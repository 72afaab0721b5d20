import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uploadFolder } from '../files/hub-upload'
import { parseOptions } from '../options/parse'
import { pushOptionSet, type PushOptions } from './options'
import type { ParsedPushOptions } from './options.generated'

/**
 * Calls `write` with a folder and uploads it to the hub. Returns the address of the repository, or of the pull
 * request.
 */
export async function publish(
  repo_id: string,
  given: PushOptions,
  write: (folder: string, options: ParsedPushOptions) => Promise<unknown>,
): Promise<string> {
  const options = parseOptions(pushOptionSet, given)
  if (typeof repo_id !== 'string' || repo_id === '')
    throw new TypeError(`[push_to_hub] repo_id: got ${String(repo_id)}, needs 'owner/name' or a name`)
  const folder = await mkdtemp(join(tmpdir(), 'qlora-push-'))
  try {
    await write(folder, options)
    return await uploadFolder({
      ...{ repo_id, folder_path: folder, private: options.private, create_pr: options.create_pr },
      ...{ commit_message: options.commit_message, commit_description: options.commit_description },
      ...{ signal: options.signal, progress: options.progress },
      token: options.token ?? undefined,
      revision: options.revision ?? undefined,
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
