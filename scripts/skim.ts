/**
 * Makes a built module quicker to import: arrow functions at its top become functions and methods that do the same.
 *
 * What is in a function that nobody has called yet V8 only skims, as far as it must to find the end. Arrow functions
 * of a module, outside of all others, it parses as if they were going to run, and a second time when they do.
 */
import { isNode, parts, type SyntaxNode } from './syntax.ts';

interface Arrow extends SyntaxNode {
  readonly async: boolean;
  readonly params: readonly SyntaxNode[];
  readonly body: SyntaxNode;
}

const isFunction = ({ type }: SyntaxNode): boolean => type === 'FunctionDeclaration' || type === 'FunctionExpression';

/** Whether `this` and its like mean something else in a function of one's own. */
const isBound = (node: SyntaxNode): boolean =>
  ['ThisExpression', 'Super', 'MetaProperty'].includes(node.type) ||
  (node.type === 'Identifier' && node.name === 'arguments') ||
  (!isFunction(node) && parts(node).some(([, n]) => isBound(n)));

const isFree = (node: unknown): node is Arrow =>
  isNode(node) && node.type === 'ArrowFunctionExpression' && !(node as Arrow).async && !isBound(node);

export function skimmed(code: string, program: object): string {
  const text = ({ start, end }: SyntaxNode): string => code.slice(start, end);
  const within = (list: readonly SyntaxNode[]): string =>
    list.length === 0 ? '' : code.slice(list[0].start, list.at(-1)?.end);
  const asFunction = (name: string, { params, body }: Arrow): string =>
    `${name}(${within(params)})${body.type === 'BlockStatement' ? text(body) : `{return ${text(body)}}`}`;

  /** The text of a node with the arrow functions in it rewritten. */
  function rewritten(node: SyntaxNode): string {
    if (isFunction(node)) return text(node);
    if (isFree(node)) return asFunction('function', node);
    const { key, value } = node;
    if (node.type === 'Property' && !node.computed && isNode(key) && isFree(value)) return asFunction(text(key), value);
    let out = '';
    let at = node.start;
    // A property like { x } is its own key and value. What is called at once is parsed in any case.
    for (const [part, n] of parts(node)) {
      if (n.start < at || (part === 'callee' && isFree(n))) continue;
      out += code.slice(at, n.start) + rewritten(n);
      at = n.end;
    }
    return out + code.slice(at, node.end);
  }

  /** `const f = x => y` is a declaration like any other function's. */
  function declared(statement: SyntaxNode): string {
    const list = statement.type === 'VariableDeclaration' ? (statement.declarations as SyntaxNode[]) : [];
    const named = list.filter(({ id, init }) => isNode(id) && id.type === 'Identifier' && isFree(init));
    if (named.length === 0) return rewritten(statement);
    const others = list.filter((d) => !named.includes(d));
    const functions = named.map(({ id, init }) => asFunction(`function ${text(id as SyntaxNode)}`, init as Arrow));
    if (others.length > 0) functions.push(`${statement.kind} ${others.map(rewritten).join(',')};`);
    return functions.join('');
  }

  const { body } = program as { readonly body: readonly SyntaxNode[] };
  let out = '';
  let at = 0;
  for (const statement of body) {
    out += code.slice(at, statement.start) + declared(statement);
    at = statement.end;
  }
  return out + code.slice(at);
}
