/**
 * From scalar expressions to vector code. The loads and stores that go with it are in `lanes.ts`.
 *
 * A module whose functions contain code from here is instantiated with
 * `instantiate(functions, mathImports, mathProvided)`: imports keep fixed numbers, so that code can
 * be generated before its module is known.
 */
import type { Compute } from '../../core/dtype.ts';
import { topological } from '../../kernels/dag.ts';
import { type Expr, operands } from '../../kernels/expr.ts';
import { FloatLowering } from './emit-float.ts';
import { IntLowering } from './emit-int.ts';
import type { FunctionBody, Local } from './encoder.ts';
import { fusing } from './relaxed.ts';
import { type Vec, VectorGraph } from './vector.ts';
import { hasFunctions } from './weight.ts';

export {
  lanesOf,
  loadSplat,
  loadStrided,
  loadVector,
  storeFirst,
  storeLane,
  storeStrided,
  storeVector,
} from './lanes.ts';
export { mathImports, mathProvided } from './math-slow.ts';

/** What a computing type does with the nodes that compute; arguments and sharing are handled here. */
export interface Lowering {
  /** "Is not zero", NaN included. */
  truth(x: Vec): Vec;
  constant(value: number): Vec;
  /** `args` are the operands, lowered; `e` tells their expressions too. */
  node(e: Expr, args: readonly Vec[]): Vec;
}

/**
 * Emits code that computes the expressions from arguments held in v128 locals (lanes of the computing
 * type, whether read as value or as mask). Gives a local per expression, each fresh and the caller's
 * to release: for a value lanes of the computing type, for a mask all-ones or all-zeros lanes of the
 * same width. The arguments' locals keep their values.
 */
export function emitExprs(
  body: FunctionBody,
  compute: Compute,
  exprs: readonly Expr[],
  args: readonly Local[],
): Local[] {
  const [graph, roots] = lowerAll(compute, exprs);
  return graph.emit(body, roots, args);
}

/**
 * The same for several vectors side by side, with a row of arguments each. `consume` appends what is done
 * with the rows of results, which are not the caller's to release; `otherwise` what is done instead where
 * one of them needs a rare case, without use of the arguments' locals.
 */
export function emitAbreast(
  body: FunctionBody,
  compute: Compute,
  exprs: readonly Expr[],
  vectors: readonly (readonly Local[])[],
  consume: (results: readonly (readonly Local[])[]) => void,
  otherwise: () => void,
): void {
  const [graph, roots] = lowerAll(compute, exprs);
  graph.emitAbreast(body, roots, vectors, consume, otherwise);
}

function lowerAll(compute: Compute, exprs: readonly Expr[]): readonly [graph: VectorGraph, roots: readonly Vec[]] {
  const graph = new VectorGraph(hasFunctions(exprs) && fusing());
  const lowering = compute === 'i32' ? new IntLowering(graph) : new FloatLowering(graph, compute);
  const lowered = new Map<Expr, Vec>();
  const vec = (e: Expr): Vec => lowered.get(e) as Vec;
  for (const e of topological(exprs, operands)) lowered.set(e, lower(e, operands(e).map(vec), graph, lowering));
  return [graph, exprs.map(vec)];
}

function lower(e: Expr, inputs: readonly Vec[], graph: VectorGraph, lowering: Lowering): Vec {
  switch (e.op) {
    case 'arg': {
      const x = graph.arg(e.index);
      return e.sort === 'mask' ? lowering.truth(x) : x;
    }
    case 'const':
      return lowering.constant(e.value);
    case 'and':
    case 'or':
    case 'xor':
      return graph.op(`v128.${e.op}`, ...inputs);
    case 'not':
      return graph.op('v128.not', ...inputs);
    default:
      return lowering.node(e, inputs);
  }
}
