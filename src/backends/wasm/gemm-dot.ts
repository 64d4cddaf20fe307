/**
 * The inner product of two vectors.
 */
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import type { Lanes } from './gemm-tile.ts';

/** Sums of this many products are made in the computing type; sums of sums of floats in float64, so that long vectors lose nothing. */
const CHUNK = 4096;
const SUMS = 4;

/**
 * `dot(a, b, n)`: Σ a b of elements that lie side by side. The products of a chunk go round robin to
 * the lanes of four vectors. No fused multiply-add: memory is the limit, and so all hosts agree.
 */
export function emitDot(lanes: Lanes): FunctionBody {
  const float = lanes.compute !== 'i32';
  const resultType = float ? 'f64' : 'i32';
  const addTotal = float ? 'f64.add' : 'i32.add';
  const body = new FunctionBody('dot', ['i32', 'i32', 'i32'], [resultType]);
  const [a, b, n] = body.params as Locals<3>;
  const total = body.local(resultType);
  const left = body.local('i32');
  const sums = Array.from({ length: SUMS }, () => body.local('v128'));

  const promote = (): void => {
    if (lanes.compute === 'f32') body.op('f64.promote_f32');
  };
  const advance = (elements: number): void => {
    for (const p of [a, b])
      body
        .get(p)
        .i32(elements * lanes.bytes)
        .op('i32.add')
        .set(p);
    body.get(left).i32(elements).op('i32.sub').set(left);
  };
  const whileAtLeast = (elements: number, turn: () => void): void => {
    body.block(() => {
      body.loop(() => {
        body.get(left).i32(elements).op('i32.lt_s').brIf(1);
        turn();
        advance(elements);
        body.br(0);
      });
    });
  };
  const products = (count: number): void => {
    for (let s = 0; s < count; s++) {
      const sum = sums[s]!;
      body
        .get(sum)
        .get(a)
        .mem('v128.load', s * 16)
        .get(b)
        .mem('v128.load', s * 16)
        .op(lanes.mul, lanes.add)
        .set(sum);
    }
  };
  const scalar = (): void => {
    const [load, mul] =
      lanes.compute === 'f32'
        ? (['f32.load', 'f32.mul'] as const)
        : lanes.compute === 'f64'
          ? (['f64.load', 'f64.mul'] as const)
          : (['i32.load', 'i32.mul'] as const);
    body.get(total).get(a).mem(load).get(b).mem(load).op(mul);
    promote();
    body.op(addTotal).set(total);
  };
  const lane = (v: Local, i: number): void => {
    body
      .get(v)
      .lane(
        lanes.compute === 'f32'
          ? 'f32x4.extract_lane'
          : lanes.compute === 'f64'
            ? 'f64x2.extract_lane'
            : 'i32x4.extract_lane',
        i,
      );
  };

  body.block(() => {
    body.loop(() => {
      body.get(n).op('i32.eqz').brIf(1);
      body.get(n).i32(CHUNK).get(n).i32(CHUNK).op('i32.lt_s', 'select').set(left);
      body.get(n).get(left).op('i32.sub').set(n);
      for (const sum of sums) body.v128([]).set(sum);
      whileAtLeast(SUMS * lanes.count, () => products(SUMS));
      whileAtLeast(lanes.count, () => products(1));
      const [s0, s1, s2, s3] = sums as Locals<4>;
      body.get(s0).get(s1).op(lanes.add).get(s2).get(s3).op(lanes.add, lanes.add).set(s0);
      for (let i = 0; i < lanes.count; i++) {
        body.get(total);
        lane(s0, i);
        promote();
        body.op(addTotal).set(total);
      }
      whileAtLeast(1, scalar);
      body.br(0);
    });
  });
  body.get(total);
  return body;
}
