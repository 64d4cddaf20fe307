/**
 * Kernels that move elements by index, or find the indices: gathers and scatters, selections, scans
 * and sorts. All take inputs in any layout.
 */
export { countNonzero, maskedSelect, nonzero } from './indexing/compact.ts';
export { gather, indexAdd, indexCopy, indexFill, indexSelect, scatter, scatterAdd } from './indexing/move.ts';
export { cummax, cummin, cumprod, cumsum, logcumsumexp, recurrence } from './indexing/scan.ts';
export { searchSorted } from './indexing/search.ts';
export { argsort, sort, topk } from './indexing/sort.ts';
export { flip, tril, triu } from './indexing/triangle.ts';
