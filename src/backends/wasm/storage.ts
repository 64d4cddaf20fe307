/**
 * What a user's tensors hold of the memory: a storage, and how its bytes came to be. Where they are is the heap's business.
 */
import type { DType } from '../../core/dtype.ts';
import { type Body, Lease } from './body.ts';
import { LISTED, list } from './living.ts';
import { FREED, type Page } from './pages.ts';

/** A unit of device memory, shared by a tensor and its views. */
export class Storage {
  readonly nbytes: number;
  /** In-place writes so far, unless another storage counts them. (No private name, which V8 takes longer to define.) */
  private writes = 0;
  /** What counts the writes to this one; itself, unless they count together with those to another. @internal */
  counter: Storage = this;
  /** The method that wrote last, and where it was called if anomaly mode was on. @internal */
  lastChange: string | Change | null = null;
  /** Set where several storages have the same bytes: the first of them. Such bytes are never freed by hand. @internal */
  origin: Storage | null = null;
  /** Who may release this storage: the backward pass that made it, or the tensor whose gradient it holds unseen; and how many pending gradients lie in it. @internal */
  owner: object | null = null;
  holds = 0;
  /** @internal */
  body: Body;
  /** In granules from the start of the body. @internal */
  place: number;
  /** Keeps the page alive. @internal */
  page: Page | null;
  /** How the bytes are made again if they are given up without a copy. @internal */
  recipe: Recipe | null = null;
  /** What recipes that read these bytes know of them. @internal */
  source: Source | null = null;

  /** Storages come from `allocate`. @internal */
  constructor(nbytes: number, body: Body, place: number, page: Page | null) {
    this.nbytes = nbytes;
    this.body = body;
    this.place = place;
    this.page = page;
  }

  /** @internal */
  [LISTED](): unknown {
    return list(this);
  }

  /** Counts in-place writes; autograd compares it with what it saved. */
  get version(): number {
    return this.counter === this ? this.writes : this.counter.version;
  }

  set version(count: number) {
    if (this.counter === this) this.writes = count;
    else this.counter.version = count;
  }
}

/** Has writes to `next` count together with those to `s`, in whose place it stands from now on. Neither keeps the other. */
export function succeed(next: Storage, s: Storage): void {
  if (s.counter === s) {
    const counter = new Storage(0, FREED, 0, null);
    counter.version = s.version;
    counter.lastChange = s.lastChange;
    s.counter = counter;
  }
  next.counter = s.counter;
}

/** An in-place change of a storage, and a stack that leads to whoever asked for it. */
export interface Change {
  readonly by: string;
  readonly at: Error;
}

/** How the bytes of a storage are made again. */
export interface Recipe {
  /** Recipes that may have to be followed for this one, itself included, and the bytes that they make along the longest way. */
  readonly depth: number;
  readonly bytes: number;
  /** Bytes that are kept for its sake at most, and beside them of parameters, should they be changed. */
  readonly needs: number;
  readonly parameters: number;
  /** What it has in common with recipes whose results mostly share a fate. */
  readonly kind: number;
  /** Whether all bytes are zero. */
  readonly zeros: boolean;
  /** A new storage with the same bytes. */
  make(): Storage;
}

/** A tensor as it was when an operation read it. */
export interface Reading {
  readonly source: Source;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly dtype: DType;
}

/** What recipes know of a storage: where its bytes are, as they were when the recipe was written. */
export class Source {
  storage: Storage;
  /** Results that have been made from it. */
  reads = 0;
  /** How it was read last. */
  reading: Reading | null = null;
  /** The last walk over a list of sources that met it. */
  walk = 0;
  readonly lease: Lease = new Lease();
  /** The launch by which all had been queued that writes the bytes. */
  since: number;

  constructor(storage: Storage, since: number) {
    this.storage = storage;
    this.since = since;
  }
}
