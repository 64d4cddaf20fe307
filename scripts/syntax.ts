/** Syntax trees as a parser of JavaScript gives them. */

/** A node of the syntax tree, as far as it matters here. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [part: string]: unknown;
}

export const isNode = (x: unknown): x is SyntaxNode => typeof x === 'object' && x !== null && 'type' in x;

/** The nodes right below one in their order, each with the name of the part that it is or is in. */
export const parts = (node: SyntaxNode): [part: string, SyntaxNode][] =>
  Object.entries(node)
    .flatMap(([part, x]) =>
      [x]
        .flat()
        .filter(isNode)
        .map((n): [string, SyntaxNode] => [part, n]),
    )
    .sort(([, a], [, b]) => a.start - b.start);
