/**
 * Hands out ranges ("spans") of an abstract line of units and takes them back: two-level segregated
 * fit (Masmano, Ripoll, Crespo, Real: TLSF, a new dynamic memory allocator for real-time systems,
 * ECRTS 2004). Free spans are kept in bins by size, sixteen bins to a power of two; neighbours that
 * are free merge at once, so that loops whose sizes vary do not tear the memory to pieces.
 */
export class Span {
  start: number;
  size: number;
  free = false;
  /** Neighbours in the memory. */
  below: Span | null = null;
  above: Span | null = null;
  /** Neighbours in the bin, while free. */
  previous: Span | null = null;
  next: Span | null = null;

  constructor(start: number, size: number) {
    this.start = start;
    this.size = size;
  }
}

const BINS = 384;
/** How many spans of the request's own bin are tried before larger bins: finds the size just freed. */
const TRIES = 8;

function binOf(size: number): number {
  if (size < 16) return size;
  const log = 31 - Math.clz32(size);
  return (log - 3) * 16 + ((size >>> (log - 4)) & 15);
}

/** The first bin in which every span holds `size`. */
function sufficientBin(size: number): number {
  return size < 16 ? size : binOf(size + (1 << (31 - Math.clz32(size) - 4)) - 1);
}

export class SpanAllocator {
  readonly #bins: (Span | null)[] = new Array<Span | null>(BINS).fill(null);
  /** One bit per bin that is not empty. */
  readonly #filled = new Int32Array(BINS / 32);
  #top: Span | null = null;
  #end: number;

  constructor(start: number) {
    this.#end = start;
  }

  /** Adds room at the end. */
  extend(size: number): void {
    const span = new Span(this.#end, size);
    this.#end += size;
    span.below = this.#top;
    if (this.#top !== null) this.#top.above = span;
    this.#top = span;
    this.release(span);
  }

  /** How much must be added at the end before `size` is certain to fit. */
  missing(size: number): number {
    return this.#top?.free === true ? Math.max(0, size - this.#top.size) : size;
  }

  /** A span of exactly `size` (> 0), or null if no free span is long enough. */
  allocate(size: number): Span | null {
    const own = binOf(size);
    const span =
      this.#search(own, size, TRIES) ?? this.#larger(sufficientBin(size)) ?? this.#search(own, size, 1 << 30);
    if (span === null) return null;
    this.#remove(span);
    if (span.size > size) this.#insert(this.cut(span, size));
    return span;
  }

  release(span: Span): void {
    const below = span.below;
    if (below?.free === true) {
      this.#remove(below);
      span.start = below.start;
      span.size += below.size;
      span.below = below.below;
      if (span.below !== null) span.below.above = span;
    }
    const above = span.above;
    if (above?.free === true) {
      this.#remove(above);
      span.size += above.size;
      span.above = above.above;
      if (span.above !== null) span.above.below = span;
      if (this.#top === above) this.#top = span;
    }
    this.#insert(span);
  }

  /** Cuts the tail off a span that is handed out; it is handed out, too. */
  cut(span: Span, size: number): Span {
    const rest = new Span(span.start + size, span.size - size);
    span.size = size;
    rest.below = span;
    rest.above = span.above;
    if (rest.above !== null) rest.above.below = rest;
    else this.#top = rest;
    span.above = rest;
    return rest;
  }

  #search(bin: number, size: number, tries: number): Span | null {
    let span = this.#bins[bin] ?? null;
    for (let i = 0; i < tries && span !== null; i++, span = span.next) {
      if (span.size >= size) return span;
    }
    return null;
  }

  #larger(bin: number): Span | null {
    let word = bin >>> 5;
    let bits = (this.#filled[word] ?? 0) & (-1 << (bin & 31));
    while (bits === 0) {
      word++;
      if (word >= this.#filled.length) return null;
      bits = this.#filled[word] ?? 0;
    }
    return this.#bins[word * 32 + 31 - Math.clz32(bits & -bits)] ?? null;
  }

  #insert(span: Span): void {
    const bin = binOf(span.size);
    const head = this.#bins[bin] ?? null;
    span.free = true;
    span.previous = null;
    span.next = head;
    if (head !== null) head.previous = span;
    this.#bins[bin] = span;
    this.#filled[bin >>> 5]! |= 1 << (bin & 31);
  }

  #remove(span: Span): void {
    span.free = false;
    if (span.next !== null) span.next.previous = span.previous;
    if (span.previous !== null) span.previous.next = span.next;
    else {
      const bin = binOf(span.size);
      this.#bins[bin] = span.next;
      if (span.next === null) this.#filled[bin >>> 5]! &= ~(1 << (bin & 31));
    }
    span.previous = null;
    span.next = null;
  }
}
