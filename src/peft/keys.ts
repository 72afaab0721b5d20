/** Adapter files prepend this to the module's path. */
export const KEY_PREFIX = 'base_model.model.'

/** Where an adapter file has the trained rows of the module at `path`. */
export function rowsKey(path: string): string {
  return `${KEY_PREFIX}${path}.token_adapter.trainable_tokens_delta`
}
