/** A module's bytes: a handful of functions over one imported memory. */
import { type FuncType, type FunctionBody, uleb, VALTYPE } from './encoder.ts';

/** A function the module takes from JavaScript. */
export interface Import {
  readonly name: string;
  readonly type: FuncType;
}

export interface MemoryImport {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly shared: boolean;
}

/** Bytes as a list of pieces, which are joined once at the end. */
type Pieces = (readonly number[])[];

const length = (pieces: readonly (readonly number[])[]): number => pieces.reduce((n, p) => n + p.length, 0);

function section(out: Pieces, id: number, count: number, content: Pieces): void {
  if (count === 0) return;
  const counted: number[] = [];
  uleb(counted, count);
  const head = [id];
  uleb(head, counted.length + length(content));
  out.push(head, counted, ...content);
}

function text(s: string): number[] {
  const out: number[] = [];
  uleb(out, s.length);
  for (let i = 0; i < s.length; i++) out.push(s.charCodeAt(i));
  return out;
}

/**
 * The bytes of a module that imports `env.memory` and the given functions (also from `env`), and
 * exports every function under its name.
 */
export function encodeModule(
  functions: readonly FunctionBody[],
  memory: MemoryImport,
  imports: readonly Import[] = [],
): Uint8Array<ArrayBuffer> {
  const types: number[][] = [];
  const typeIndex = (t: FuncType): number => {
    const entry = [0x60];
    uleb(entry, t.params.length);
    for (const p of t.params) entry.push(VALTYPE[p]);
    uleb(entry, t.results.length);
    for (const r of t.results) entry.push(VALTYPE[r]);
    const key = entry.join();
    const found = types.findIndex((e) => e.join() === key);
    return found >= 0 ? found : types.push(entry) - 1;
  };
  const importEntries = imports.map((i) => [...text('env'), ...text(i.name), 0x00, typeIndex(i.type)]);
  const limits: number[] = [memory.shared ? 0x03 : 0x01];
  uleb(limits, memory.initialPages);
  uleb(limits, memory.maximumPages);
  importEntries.push([...text('env'), ...text('memory'), 0x02, ...limits]);
  const declared = functions.map((f) => [typeIndex(f.type)]);
  const exported = functions.map((f, i) => {
    const entry = [...text(f.name), 0x00];
    uleb(entry, imports.length + i);
    return entry;
  });
  const bodies = functions.flatMap((f): Pieces => {
    const body = f.encode();
    const size: number[] = [];
    uleb(size, length(body));
    return [size, ...body];
  });
  const out: Pieces = [[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]];
  section(out, 1, types.length, types);
  section(out, 2, importEntries.length, importEntries);
  section(out, 3, declared.length, declared);
  section(out, 7, exported.length, exported);
  section(out, 10, functions.length, bodies);
  const bytes = new Uint8Array(length(out));
  let at = 0;
  for (const piece of out) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
