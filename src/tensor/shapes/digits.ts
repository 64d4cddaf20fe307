/**
 * Exact arithmetic on sizes, as taught at school: column by column on strings of digits, which hold
 * the *least significant digit first*. A column is counted with lists, whose lengths TypeScript adds.
 * Whatever is not a whole literal (`number`, `1.5`, `-3`, a named size) gives `number`.
 */
import type { List } from './basics.ts';

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';

/** A digit as a list of that length. */
interface Count {
  '0': [];
  '1': [0];
  '2': [0, 0];
  '3': [0, 0, 0];
  '4': [0, 0, 0, 0];
  '5': [0, 0, 0, 0, 0];
  '6': [0, 0, 0, 0, 0, 0];
  '7': [0, 0, 0, 0, 0, 0, 0];
  '8': [0, 0, 0, 0, 0, 0, 0, 0];
  '9': [0, 0, 0, 0, 0, 0, 0, 0, 0];
}
type Ten = [...Count['9'], 0];
type CountOf<D> = Count[D & Digit];

/** A list repeated: the length of `Repeat<A, '3'>` is three times that of `A`. */
type Repeat<A extends List, D> = {
  '0': [];
  '1': A;
  '2': [...A, ...A];
  '3': [...A, ...A, ...A];
  '4': [...A, ...A, ...A, ...A];
  '5': [...A, ...A, ...A, ...A, ...A];
  '6': [...A, ...A, ...A, ...A, ...A, ...A];
  '7': [...A, ...A, ...A, ...A, ...A, ...A, ...A];
  '8': [...A, ...A, ...A, ...A, ...A, ...A, ...A, ...A];
  '9': [...A, ...A, ...A, ...A, ...A, ...A, ...A, ...A, ...A];
}[D & Digit];

// ---- reading and writing -------------------------------------------------------------------------------------------

/** The digits of a whole literal, least significant first; `null` for anything else. */
type Digits<N extends number> = `${N}` extends `${Digit}${infer Rest}`
  ? Rest extends `${string}${'.' | 'e'}${string}`
    ? null
    : Reverse<`${N}`>
  : null;

type Reverse<S extends string, Done extends string = ''> = S extends `${infer First}${infer Rest}`
  ? Reverse<Rest, `${First}${Done}`>
  : Done;

/** The number written by digits, most significant first. */
type Read<S extends string> = S extends `0${infer Rest}`
  ? Rest extends ''
    ? 0
    : Read<Rest>
  : S extends `${infer N extends number}`
    ? N
    : number;

type FirstDigit<S extends string> = S extends `${infer D}${string}` ? D : '0';
type OtherDigits<S extends string> = S extends `${infer _}${infer R}` ? R : '';

/** The length of a list below 100, as [digit to write, digit to carry]. */
type WriteAndCarry<L extends List> =
  `${L['length'] & number}` extends `${infer Carry extends Digit}${infer D extends Digit}`
    ? [D, Carry]
    : [`${L['length'] & number}`, '0'];

// ---- multiplication and addition -----------------------------------------------------------------------------------

/** One column: `x · y + z + carry`. */
type Column<X, Y, Z, Carry> =
  Repeat<CountOf<X>, Y> extends infer Product extends List
    ? WriteAndCarry<[...Product, ...CountOf<Z>, ...CountOf<Carry>]>
    : never;

/** `A · y + Z` for a single digit `y`. */
type TimesDigitPlus<
  A extends string,
  Y,
  Z extends string,
  Carry extends string = '0',
> = A extends `${infer X}${infer More}`
  ? Column<X, Y, FirstDigit<Z>, Carry> extends [infer D extends string, infer C extends string]
    ? `${D}${TimesDigitPlus<More, Y, OtherDigits<Z>, C>}`
    : never
  : Z extends ''
    ? Carry
    : TimesDigitPlus<'0', Y, Z, Carry>;

/** Long multiplication: one pass per digit of `B`, each writing one digit of the product. */
type Times<A extends string, B extends string, Sum extends string = ''> = B extends `${infer Y}${infer More}`
  ? TimesDigitPlus<A, Y, Sum> extends `${infer D}${infer Carried}`
    ? `${D}${Times<A, More, Carried>}`
    : never
  : Sum;

/** `A · B` */
export type Mul<A extends number, B extends number> = A extends 1
  ? B
  : B extends 1
    ? A
    : [Digits<A>, Digits<B>] extends [infer X extends string, infer Y extends string]
      ? Read<Reverse<Times<X, Y>>>
      : number;

/** `A + B` */
export type Add<A extends number, B extends number> = [Digits<A>, Digits<B>] extends [
  infer X extends string,
  infer Y extends string,
]
  ? Read<Reverse<TimesDigitPlus<X, '1', Y>>>
  : number;

// ---- subtraction and comparison ------------------------------------------------------------------------------------

/** One column: `x - y - borrow`, as [digit to write, digit to borrow]. */
type Lower<X, Y, Borrow> =
  CountOf<X> extends [...CountOf<Y>, ...CountOf<Borrow>, ...infer Left]
    ? [`${Left['length']}`, '0']
    : [...Ten, ...CountOf<X>] extends [...CountOf<Y>, ...CountOf<Borrow>, ...infer Left]
      ? [`${Left['length']}`, '1']
      : never;

/** `A - B`, or `false` below zero. The first digit of `B`, written last, is not a zero. */
type Less<
  A extends string,
  B extends string,
  Borrow extends string = '0',
  Done extends string = '',
> = A extends `${infer X}${infer A2}`
  ? [B, Borrow] extends ['', '0']
    ? `${Done}${A}`
    : Lower<X, FirstDigit<B>, Borrow> extends [infer D extends string, infer K extends string]
      ? Less<A2, OtherDigits<B>, K, `${Done}${D}`>
      : never
  : [B, Borrow] extends ['', '0']
    ? Done
    : false;

/** `A - B`; `null` when that is below zero. */
export type Sub<A extends number, B extends number> = [Digits<A>, Digits<B>] extends [
  infer X extends string,
  infer Y extends string,
]
  ? Less<X, Y> extends infer D
    ? D extends string
      ? Read<Reverse<D>>
      : null
    : never
  : number;

/** `A > B` for certain: not said of sizes that are not literals. */
export type Exceeds<A extends number, B extends number> = Sub<B, A> extends null ? true : false;

// ---- division ------------------------------------------------------------------------------------------------------

/** How often `B` goes into `A`, at most nine times, and what is left: [digit, remainder]. */
type GoesInto<A extends string, B extends string, Times extends List = []> =
  Less<A, B> extends infer Left extends string ? GoesInto<Left, B, [...Times, 0]> : [`${Times['length'] & number}`, A];

/** Long division of `A`, most significant digit first, by `B`: [quotient, remainder]. */
type Divided<
  A extends string,
  B extends string,
  Left extends string = '',
  Done extends string = '',
> = A extends `${infer D}${infer More}`
  ? GoesInto<`${D}${Left}`, B> extends [infer Q extends string, infer R extends string]
    ? Divided<More, B, R, `${Done}${Q}`>
    : never
  : [quotient: Read<Done>, remainder: Read<Reverse<Left>>];

/** `A / B` as [quotient, remainder]; of `number`s when either is not a literal, or `B` is zero. */
export type Divide<A extends number, B extends number> = B extends 0
  ? [number, number]
  : B extends 1
    ? [A, 0]
    : [Digits<A>, Digits<B>] extends [string, infer Y extends string]
      ? Divided<`${A}`, Y>
      : [number, number];

/** `A / B` rounded up. */
export type CeilDiv<A extends number, B extends number> = B extends 1
  ? A
  : Divide<A, B> extends [infer Q extends number, infer R extends number]
    ? R extends 0
      ? Q
      : Add<Q, 1>
    : never;

// ---- counting ------------------------------------------------------------------------------------------------------

/** The product of the sizes; `number` as soon as one is not a literal. */
export type Numel<S extends List> = S extends readonly [infer A extends number, infer B extends number, ...infer More]
  ? Numel<[Mul<A, B>, ...More]>
  : S extends readonly [infer A extends number]
    ? A
    : S extends readonly []
      ? 1
      : number;
