/**
 * Kernels that move elements by index, or find the indices: gathers and scatters, selections, scans
 * and sorts. All take inputs in any layout.
 */
export { sumBags } from './indexing/bags.ts';
export { type Classes, countClasses, pickClasses, spreadClasses } from './indexing/classes.ts';
export { countNonzero, maskedScatter, maskedSelect, nonzero } from './indexing/compact.ts';
export { groupByTable, groupRuns, integerRange, settleTies, tally } from './indexing/groups.ts';
export {
  gather,
  type Indexed,
  indexAdd,
  indexCopy,
  indexFill,
  indexSelect,
  put,
  scatter,
  scatterAdd,
  scatterJoin,
  take,
} from './indexing/move.ts';
export type { Join } from './indexing/move-code.ts';
export { cummax, cummin, cumprod, cumsum, recurrence } from './indexing/scan.ts';
export { searchSorted } from './indexing/search.ts';
export { type Choice, selectRank } from './indexing/select.ts';
export { argsort, sort, topk } from './indexing/sort.ts';
export { flip, tril, triu } from './indexing/triangle.ts';
