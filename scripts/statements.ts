/**
 * Puts every statement of a built module on a line of its own.
 *
 * Where nobody catches an error, Node prints the line that threw it: of a file without line ends, the whole file.
 */
import { parts, type SyntaxNode } from './syntax.ts';

/** Statements whose last semicolon may as well be the end of the line, unless what follows could go on from there. */
const ENDED = [
  'ExpressionStatement',
  'VariableDeclaration',
  'ReturnStatement',
  'ThrowStatement',
  'BreakStatement',
  'ContinueStatement',
];
const STARTS_ANEW = /^[\w$}]/;

/** Whether a part of a node is one of several statements. */
const isList = (part: string, of: SyntaxNode): boolean =>
  part === 'body'
    ? ['Program', 'BlockStatement', 'StaticBlock'].includes(of.type)
    : of.type === 'SwitchCase' && part === 'consequent';

export function statementsOnLines(code: string, program: object): string {
  const ends: SyntaxNode[] = [];
  const visit = (node: SyntaxNode): void => {
    for (const [part, n] of parts(node)) {
      if (isList(part, node)) ends.push(n);
      visit(n);
    }
  };
  visit(program as SyntaxNode);
  ends.sort((a, b) => a.end - b.end);
  let out = '';
  let at = 0;
  for (const { type, end } of ends) {
    const joined = code[end - 1] === ';' && ENDED.includes(type) && STARTS_ANEW.test(code.slice(end, end + 1));
    out += `${code.slice(at, joined ? end - 1 : end)}\n`;
    at = end;
  }
  return out + code.slice(at);
}
