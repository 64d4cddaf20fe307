/** A function that shows where vectors in the stack lie badly (`depth.ts`). It is encoded here, so that workers need no encoder. */
import { FunctionBody } from '../encoder.ts';
import { encodeModule } from '../module-bytes.ts';

/** More vectors than a processor has registers, all of them changed in each turn of a loop. */
const VECTORS = 24;

/** The code of a function that is slow where vectors in the stack are. */
export function encodeProbe(): Uint8Array<ArrayBuffer> {
  const body = new FunctionBody('probe', ['i32'], ['i32']);
  const [turns] = body.params;
  const vectors = Array.from({ length: VECTORS }, () => body.local('v128'));
  body.loop(() => {
    vectors.forEach((v, i) => {
      body
        .get(v)
        .get(vectors[(i + 1) % VECTORS])
        .op('i32x4.add')
        .set(v);
    });
    body.get(turns).i32(1).op('i32.sub').tee(turns).brIf(0);
  });
  body.get(vectors[0]).lane('i32x4.extract_lane', 0);
  return encodeModule([body], { initialPages: 0, maximumPages: 1, shared: false });
}
