/** A value as an argument inside a `<script>`, escaped so that no tag in it can end the script. */
export function scriptData(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
