/** An answer in the shape of OpenAI's errors. */
export class HttpError extends Error {
  override readonly name = 'HttpError'

  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message)
  }

  get body(): object {
    const type =
      this.status >= 500
        ? 'server_error'
        : this.status === 401
          ? 'authentication_error'
          : 'invalid_request_error'
    return { error: { message: this.message, type, param: this.param, code: this.code } }
  }
}

/** What a client is told of any error: those of options are its own fault. */
export function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof TypeError || error instanceof RangeError)
    return new HttpError(400, message, 'invalid_value')
  return new HttpError(500, message)
}
