/** A native tensor, opaque to JavaScript. */
export type TensorHandle = { readonly __tensor: never }
/** A native device, opaque to JavaScript. */
export type DeviceHandle = { readonly __device: never }
