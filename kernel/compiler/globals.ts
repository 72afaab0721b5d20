/** The globals that are declared in every cell; the runner defines their values. */
export const globals = `declare function prompt(message?: string, fallback?: string): string | null;
/** Clears the output of the running cell; with wait only when something new is shown. */
declare function clear_output(options?: { wait?: boolean }): void;
/** A control for each name ([min, max] or [min, max, step]: a slider; texts: a choice; or a value to begin with), and below them what the function returns, again whenever one is moved. Needs ipywidgets in Jupyter's environment. */
declare function interact<C extends Record<string, readonly [number, number] | readonly [number, number, number] | readonly string[] | boolean | string | number>>(controls: C, body: (values: { [K in keyof C]: C[K] extends readonly string[] ? string : C[K] extends readonly number[] ? number : C[K] extends boolean ? boolean : C[K] extends string ? string : number }) => unknown): Promise<void>;
/** Installs packages for this notebook; what npm prints is shown. */
declare const npm: { install(...names: string[]): Promise<void> };
declare interface KernelCommMessage { content: { comm_id: string; data: any; target_name?: string }; metadata: any; buffers: Uint8Array[] }
declare interface KernelComm {
  readonly comm_id: string;
  readonly target_name: string;
  send(data?: object, extras?: { metadata?: object; buffers?: Uint8Array[] }): void;
  close(data?: object, extras?: { metadata?: object; buffers?: Uint8Array[] }): void;
  on_msg(handler: (message: KernelCommMessage) => unknown): void;
  on_close(handler: (message: KernelCommMessage) => unknown): void;
}
declare const kernel: {
  comms: {
    register_target(name: string, handler: (comm: KernelComm, message: KernelCommMessage) => unknown): void;
    unregister_target(name: string): void;
    get(comm_id: string): KernelComm | undefined;
  };
  watch(read: () => unknown, options?: { every?: number }): { stop(): void };
  Comm: new (target_name: string, data?: object, options?: { comm_id?: string; target_module?: string; metadata?: object; buffers?: Uint8Array[] }) => KernelComm;
};
`
