/**
 * Pure computations on 128-bit vectors, as a graph.
 *
 * The mathematics is written as ordinary nested calls; the graph finds common subexpressions (equal
 * nodes are one node) and lays the result out as stack code, where a value that is used once never
 * touches a local and one that is used more often gives its local back after the last use.
 */
import type { FunctionBody, Local, PlainOp } from './encoder.ts';
import { hasRelaxedSimd } from './relaxed.ts';

/** A vector value in a graph. */
export interface Vec {
  readonly id: number;
  readonly inputs: readonly Vec[];
  /** Appends the instruction; its inputs are on the stack, in order. */
  readonly emit: (body: FunctionBody) => void;
  /** Made by `rarely`: its first input is nearly always its value, the second is the mask of where it is not. */
  readonly rare: boolean;
  /** Number of the argument it stands for, or -1. */
  readonly arg: number;
  /** The lanes' value if they are all the same known number of the graph's type. */
  readonly value: number | undefined;
}

const nothing = (): void => undefined;

/**
 * Whether compilers find registers for several vectors side by side. JavaScriptCore, which is to be known by having
 * no fused multiply-add, puts so much on the stack that they take up to twice as long as one after the other.
 */
export const sideBySide = hasRelaxedSimd;

/** A graph under construction. Every graph has its own numbering: nodes of two graphs never mix. */
export class VectorGraph {
  /** Whether products and sums may be fused. */
  readonly fused: boolean;
  readonly #nodes = new Map<string, Vec>();

  constructor(fused: boolean) {
    this.fused = fused;
  }

  #node(
    key: string,
    inputs: readonly Vec[],
    emit: (body: FunctionBody) => void,
    { arg = -1, value, rare = false }: Partial<Pick<Vec, 'arg' | 'value' | 'rare'>> = {},
  ): Vec {
    const found = this.#nodes.get(key);
    if (found !== undefined) return found;
    const made: Vec = { id: this.#nodes.size, inputs, emit, arg, value, rare };
    this.#nodes.set(key, made);
    return made;
  }

  arg(index: number): Vec {
    return this.#node(`arg ${index}`, [], nothing, { arg: index });
  }

  /** A constant vector; `value` names the number it holds in every lane. */
  constant(bytes: Uint8Array, value?: number): Vec {
    return this.#node(`const ${bytes.join()} ${value === undefined}`, [], (body) => body.v128(bytes), { value });
  }

  op(name: PlainOp, ...inputs: readonly Vec[]): Vec {
    return this.#node(key(name, inputs), inputs, (body) => body.op(name));
  }

  /** Shifts every lane by the same constant number of bits. */
  shift(name: PlainOp, x: Vec, bits: number): Vec {
    return this.#node(key(`${name} ${bits}`, [x]), [x], (body) => body.i32(bits).op(name));
  }

  shuffle(a: Vec, b: Vec, lanes: readonly number[]): Vec {
    return this.#node(key(`shuffle ${lanes.join()}`, [a, b]), [a, b], (body) => body.shuffle(lanes));
  }

  /** Lanes from the memory: the 64-bit words at an address of which the lowest bytes of lanes of 64 bits say the numbers. */
  load64(address: number, x: Vec): Vec {
    const emit = (body: FunctionBody): void => {
      const l = body.local('v128');
      body.set(l);
      for (const lane of [8, 0]) body.get(l).lane('i8x16.extract_lane_u', lane).i32(3).op('i32.shl');
      body.mem('v128.load64_zero', address).laneMem('v128.load64_lane', 1, address);
      body.release(l);
    };
    return this.#node(key(`load64 ${address}`, [x]), [x], emit);
  }

  /** Calls imported function number `index`, f64 → f64, on every lane of the arguments. */
  call(index: number, width: 'f32x4' | 'f64x2', ...inputs: readonly Vec[]): Vec {
    return this.#node(key(`call ${index} ${width}`, inputs), inputs, (body) =>
      emitCall(body, index, width, inputs.length),
    );
  }

  /**
   * `value`, but in the lanes of `mask` what `otherwise` computes from `inputs`, which is skipped
   * when no lane needs it. `name` identifies the computation.
   */
  rarely(
    name: string,
    mask: Vec,
    value: Vec,
    inputs: readonly Vec[],
    otherwise: (graph: VectorGraph, inputs: readonly Vec[]) => Vec,
  ): Vec {
    const all = [value, mask, ...inputs];
    const { fused } = this;
    const emit = (body: FunctionBody): void => {
      const args = inputs.map(() => body.local('v128'));
      for (let i = args.length - 1; i >= 0; i--) body.set(args[i]);
      const maskLocal = body.local('v128');
      const result = body.local('v128');
      body.set(maskLocal).set(result).get(maskLocal).op('v128.any_true');
      body.if(() => {
        const graph = new VectorGraph(fused);
        const root = otherwise(
          graph,
          args.map((_, i) => graph.arg(i)),
        );
        const [other] = graph.emit(body, [root], args) as [Local];
        body.get(other).get(result).get(maskLocal).op('v128.bitselect').set(result);
        body.release(other);
      });
      body.get(result);
      body.release(...args, maskLocal, result);
    };
    return this.#node(key(`rarely ${name}`, all), all, emit, { rare: true });
  }

  /**
   * Appends code that computes the roots from arguments held in locals. Every root comes in a local
   * of its own, which is the caller's to release; the arguments are left as they are.
   */
  emit(body: FunctionBody, roots: readonly Vec[], args: readonly Local[]): Local[] {
    const uses = countUses(roots);
    const held = new Map<Vec, Local>();
    return roots.map((root) => {
      pushValue(body, root, args, uses, held);
      const result = body.local('v128');
      body.set(result);
      return result;
    });
  }

  /**
   * The same from several columns of arguments, instruction by instruction side by side, so that a
   * processor finds work in one column while another waits. `consume` appends what is done with the
   * roots of each column. Where a graph has rare cases, `otherwise` appends what is done instead in
   * the event of one; it must not use the arguments' locals, or compilers find the computations common
   * to both ways and do them before they part, one after the other. Columns come one after the other where side
   * by side is no good.
   */
  emitAbreast(
    body: FunctionBody,
    roots: readonly Vec[],
    columns: readonly (readonly Local[])[],
    consume: (results: readonly (readonly Local[])[]) => void,
    otherwise: () => void,
  ): void {
    if (!sideBySide()) {
      const rows = columns.map((args) => this.emit(body, roots, args));
      consume(rows);
      body.release(...rows.flat());
      return;
    }
    const abreast = new Abreast(body, columns);
    const usually = (): void => {
      consume(abreast.locals(roots));
      abreast.release();
    };
    const masks = abreast.locals(rareMasks(roots)).flat();
    if (masks.length === 0) {
      usually();
      return;
    }
    masks.forEach((mask, i) => {
      body.get(mask);
      if (i > 0) body.op('v128.or');
    });
    body.op('v128.any_true').if(otherwise, usually);
  }
}

/** What a node is but for the rare case. */
function usual(x: Vec): Vec {
  let node = x;
  while (node.rare) [node] = node.inputs;
  return node;
}

/** The masks of all rare cases below the roots. */
function rareMasks(roots: readonly Vec[]): Vec[] {
  const seen = new Set<Vec>();
  const masks = new Set<Vec>();
  const open = [...roots];
  for (let v = open.pop(); v !== undefined; v = open.pop()) {
    if (seen.has(v)) continue;
    seen.add(v);
    if (v.rare) masks.add(usual(v.inputs[1]));
    open.push(...(v.rare ? v.inputs.slice(0, 2) : v.inputs));
  }
  return [...masks];
}

/** Code for several columns under construction, as if rare cases did not occur. */
class Abreast {
  readonly #body: FunctionBody;
  readonly #columns: readonly (readonly Local[])[];
  readonly #held = new Map<Vec, readonly Local[]>();

  constructor(body: FunctionBody, columns: readonly (readonly Local[])[]) {
    this.#body = body;
    this.#columns = columns;
  }

  /** Appends what is still missing for some nodes; gives the locals they are in, by column. */
  locals(nodes: readonly Vec[]): Local[][] {
    const wanted = nodes.map(usual);
    for (const node of inOrder(wanted)) this.#compute(node);
    return this.#columns.map((_, c) => wanted.map((x) => this.#local(x, c)));
  }

  release(): void {
    for (const locals of this.#held.values()) this.#body.release(...locals);
  }

  #compute(node: Vec): void {
    if (node.arg >= 0 || this.#held.has(node)) return;
    const results = this.#columns.map((_, c) => {
      for (const x of node.inputs) {
        const input = usual(x);
        if (input.inputs.length === 0 && input.arg < 0) input.emit(this.#body);
        else this.#body.get(this.#local(input, c));
      }
      node.emit(this.#body);
      const result = this.#body.local('v128');
      this.#body.set(result);
      return result;
    });
    this.#held.set(node, results);
  }

  #local(x: Vec, c: number): Local {
    return x.arg >= 0 ? this.#columns[c][x.arg] : (this.#held.get(x) as readonly Local[])[c];
  }
}

/** Every node that some roots usually need, inputs before what uses them; constants only as roots. */
function inOrder(roots: readonly Vec[]): Set<Vec> {
  const order = new Set<Vec>();
  const open: { readonly node: Vec; next: number }[] = [];
  for (const root of roots) {
    open.push({ node: root, next: 0 });
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { node } = top;
      if (!order.has(node) && top.next < node.inputs.length) {
        const input = usual(node.inputs[top.next++]);
        if (input.inputs.length > 0) open.push({ node: input, next: 0 });
      } else {
        order.add(node);
        open.pop();
      }
    }
  }
  return order;
}

function key(name: string, inputs: readonly Vec[]): string {
  let k = name;
  for (const v of inputs) k += ` ${v.id}`;
  return k;
}

function countUses(roots: readonly Vec[]): Map<Vec, number> {
  const uses = new Map<Vec, number>();
  const pending = [...roots];
  for (let v = pending.pop(); v !== undefined; v = pending.pop()) {
    const n = uses.get(v) ?? 0;
    uses.set(v, n + 1);
    if (n === 0) pending.push(...v.inputs);
  }
  return uses;
}

/** Depth first, without recursion: fused expressions can be deep. */
function pushValue(
  body: FunctionBody,
  root: Vec,
  args: readonly Local[],
  uses: Map<Vec, number>,
  held: Map<Vec, Local>,
): void {
  const open: { readonly node: Vec; next: number }[] = [{ node: root, next: 0 }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { node } = top;
    if (top.next === 0) {
      const local = node.arg >= 0 ? args[node.arg] : held.get(node);
      if (local !== undefined) {
        body.get(local);
        if (node.arg < 0) {
          const left = (uses.get(node) ?? 1) - 1;
          uses.set(node, left);
          if (left === 0) body.release(local);
        }
        open.pop();
        continue;
      }
    }
    if (top.next < node.inputs.length) {
      open.push({ node: node.inputs[top.next++], next: 0 });
      continue;
    }
    node.emit(body);
    open.pop();
    const left = (uses.get(node) ?? 1) - 1;
    // A constant is cheaper to write again than to keep.
    if (left > 0 && node.inputs.length > 0) {
      uses.set(node, left);
      const local = body.local('v128');
      held.set(node, local);
      body.tee(local);
    }
  }
}

function emitCall(body: FunctionBody, index: number, width: 'f32x4' | 'f64x2', arity: number): void {
  const args = Array.from({ length: arity }, () => body.local('v128'));
  for (let i = arity - 1; i >= 0; i--) body.set(args[i]);
  const result = body.local('v128');
  for (let lane = 0; lane < (width === 'f32x4' ? 4 : 2); lane++) {
    body.get(result);
    for (const a of args) {
      body.get(a).lane(`${width}.extract_lane`, lane);
      if (width === 'f32x4') body.op('f64.promote_f32');
    }
    body.call(index);
    if (width === 'f32x4') body.op('f32.demote_f64');
    body.lane(`${width}.replace_lane`, lane).set(result);
  }
  body.get(result);
  body.release(...args, result);
}
