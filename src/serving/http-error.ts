/** An error in the form of OpenAI's. */
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

/** The HTTP error for any error; errors in options are the client's. */
export function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof TypeError || error instanceof RangeError)
    return new HttpError(400, message, 'invalid_value')
  return new HttpError(500, message)
}
