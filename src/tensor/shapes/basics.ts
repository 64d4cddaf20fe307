/**
 * The vocabulary of the shape algebra: what a shape is, how a method asks it a question, and how an
 * answer or a complaint is read off.
 */

/**
 * `any`, written without the keyword: where a rank is unknown, or a mistake has already been
 * reported, everything must be accepted in both directions, and no other type does that.
 * (The value of a property descriptor is declared as `any` in the language's own library.)
 */
export type Untyped = PropertyDescriptor['value'];

/** The sizes of a tensor: a literal is a known size, `number` an unknown one, `number[]` an unknown rank. */
export type Shape = readonly number[];

/**
 * Any list of types, sizes or not: half-built shapes hold markers. (Not `unknown[]`: a list of sizes
 * that are type parameters must be known at once to be a list, and to be a shape.)
 */
export type List = readonly Untyped[];

declare const dimName: unique symbol;

/**
 * A size known only at run time, with a name: two different names never match, and a name meets
 * any plain size freely.
 */
export type Dim<Name extends string> = number & { readonly [dimName]: Name };

/**
 * Options of the type checker, open for merging:
 * `declare module 'nabla' { interface Config { shapes: false } }` turns compile-time shapes off, and
 * every tensor is a plain `Tensor`.
 */
export interface Config {
  readonly [option: string]: unknown;
}

/**
 * Whether null is of every type, as it is without `strictNullChecks`. Then no question about a shape has an answer to be
 * relied on, and shapes are off.
 */
type Lax = null extends string ? true : false;

/** The shape of a tensor being created: nothing is known about it when shapes are switched off. */
export type Shaped<R> = Config extends { readonly shapes: false } ? Untyped : Out<R>;

/** The parameter of a creating function: nothing is refused when shapes are switched off. */
export type ShapedArg<R, X> = Config extends { readonly shapes: false } ? X : Arg<R, X>;

/** What `x.shape` is: read-only, with unknown sizes as `number`. Homomorphic, so that `Tensor` stays covariant. */
export type Known<S extends Shape> = { readonly [K in keyof S]: 0 extends 1 & S[K] ? number : S[K] };

/** The result of an operation: its shape, or `any` when the rank is unknown or the mistake already reported. */
export type Out<R> = Lax extends true ? Untyped : R extends List ? (number extends R['length'] ? Untyped : R) : Untyped;

/**
 * The parameter of an operation: the type of the argument, or the message that refuses it.
 * (`M` rather than `R` in the branch taken: the checker looks into that branch at every call, and
 * would expand the whole operation there.)
 */
export type Arg<R, X> = Lax extends true ? X : [R] extends [infer M extends string] ? M : X;

/** Mutually assignable. Unlike `A extends B` it resolves at once for two equal type parameters. True of `any`. */
export type Equal<A, B> = { a: A; b: B } extends { a: B; b: A } ? true : false;

export type IsNever<X> = [X] extends [never] ? true : false;

/**
 * Two sizes that cannot be equal. One rule serves literals, `number`, unions and names, because
 * `2 & 4` is `never` and `number & 4` is `4`. The first test settles equal type parameters.
 */
export type Clash<A, B> = { size: A } extends { size: B } ? false : IsNever<A & B>;

/** Two shapes of one rank that cannot be equal. */
export type Disagree<A extends List, B extends List> = true extends {
  [K in keyof A]: Clash<A[K], B[K & keyof B]>;
}[number]
  ? true
  : false;

/** What two sizes that may be equal have in common, all along two shapes of one rank. */
export type Meet<A extends List, B extends List> = { -readonly [K in keyof A]: A[K] & B[K & keyof B] };

/** The rank is not known. */
export type Unranked<S extends List> = number extends S['length'] ? true : false;

/** A shape of the same rank, of which no size is known. */
export type Unsized<S extends List> = { -readonly [K in keyof S]: number };

/** The same shape, not read-only: how every result is written, so that hovers stay short. */
export type Writable<S extends List> = { -readonly [K in keyof S]: S[K] };

/** The sizes that are known. */
export type Literals<S extends List> = { [K in keyof S]: number extends S[K] ? never : S[K] }[number];

/** A shape as it reads in a message: `[2, number, batch]`. */
export type Show<S extends List> = `[${Join<S>}]`;

type Join<S extends List> = S extends readonly [infer Size, ...infer Rest]
  ? `${ShowSize<Size>}${Rest extends readonly [] ? '' : ', '}${Join<Rest>}`
  : '';

/** A size as it reads in a message. */
export type ShowSize<Size> = number extends Size ? 'number' : Size extends Dim<infer Name> ? Name : `${Size & number}`;
