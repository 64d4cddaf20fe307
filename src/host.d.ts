/**
 * The part of the WebAssembly JavaScript interface that the library uses. It is the only host API that
 * the sources may name; every other one (console, performance, Worker, …) is looked up on `globalThis`
 * and may be missing. The declarations agree with TypeScript's DOM library.
 */
declare namespace WebAssembly {
  type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;
  type ValueType = 'anyfunc' | 'externref' | 'f32' | 'f64' | 'i32' | 'i64' | 'v128';
  type ImportValue = Global | Memory | Table | ((...args: never[]) => unknown) | number;
  type Imports = Record<string, Record<string, ImportValue>>;
  type Exports = Record<string, ImportValue>;

  class Module {
    constructor(bytes: BufferSource);
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }

  interface MemoryDescriptor {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }

  class Memory {
    constructor(descriptor: MemoryDescriptor);
    /** A SharedArrayBuffer if the memory is shared. */
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }

  interface TableDescriptor {
    element: 'anyfunc' | 'externref';
    initial: number;
    maximum?: number;
  }

  class Table {
    constructor(descriptor: TableDescriptor, value?: unknown);
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value?: unknown): void;
    grow(by: number, value?: unknown): number;
  }

  class Global {
    constructor(descriptor: { value: ValueType; mutable?: boolean }, value?: unknown);
    value: unknown;
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}

  function validate(bytes: BufferSource): boolean;
  function compile(bytes: BufferSource): Promise<Module>;
}

/** Where a module was loaded from; every host that has modules says so. */
interface ImportMeta {
  readonly url: string;
}

/** Named (and guarded) in one place only, in the form that bundlers look for: `new Worker(new URL(…))`. */
declare class URL {
  constructor(url: string, base: string);
}
declare class Worker {
  constructor(url: URL, options: { readonly type: 'module' });
  postMessage(message: unknown): void;
  onerror: ((event: { readonly message?: string }) => void) | null;
}
