/**
 * Writes docs/operators.md: every public operation with its docstring, from the sources, and every
 * entry of the registry. `npm run operators -- --check` only says whether the page is up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import 'nabla';
import { operations } from '../src/core/op.ts';
import { root } from './sh.ts';

const page = join(root, 'docs/operators.md');

/** Where operations live, in the order of the page. */
const families: readonly (readonly [title: string, test: RegExp])[] = [
  ['Element by element', /src\/tensor\/(arithmetic|arithmetic-inplace|logic|names|special)\.ts$/],
  ['Reductions', /src\/tensor\/reductions\.ts$/],
  ['Statistics', /src\/tensor\/statistics\.ts$/],
  ['Scans and sorting', /src\/tensor\/(scans|sorting)\.ts$/],
  ['Products', /src\/tensor\/(products|linear)\.ts$/],
  ['Views', /src\/tensor\/(views|splitting|rearranging)\.ts$/],
  ['Picking and placing by index', /src\/tensor\/(picking|placing)\.ts$/],
  ['Copies and conversions', /src\/tensor\/(state|values|tensor)\.ts$/],
  ['Functions', /src\/tensor\/(functions|creation|random-creation|joining|sampling|parameters)\.ts$/],
  ['Functional: neural networks', /src\/functional\/.*\.ts$/],
  ['Linear algebra', /src\/linalg\/.*\.ts$/],
];
/** Other files of `tensor/` that add methods stand under this title. */
const REST = 'More methods';

interface Entry {
  readonly name: string;
  readonly call: string;
  readonly doc: string;
  inPlace: boolean;
}

const config = ts.readConfigFile(join(root, 'src/tsconfig.json'), ts.sys.readFile).config as object;
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, 'src'));
const program = ts.createProgram([join(root, 'src/index.ts')], options);
const checker = program.getTypeChecker();

function docOf(symbol: ts.Symbol): string {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  return text
    .split(/\n\s*\n/)[0]
    .replace(/\s+/g, ' ')
    .trim();
}

/** `name(a, b?, options?)`, from the first declaration that says the most. */
function callOf(symbol: ts.Symbol, prefix: string): string {
  for (const declaration of symbol.declarations ?? []) {
    if (ts.isGetAccessor(declaration)) return `${prefix}${symbol.name}`;
    const fn = ts.isVariableDeclaration(declaration) ? declaration.initializer : declaration;
    const type = checker.getTypeOfSymbolAtLocation(symbol, declaration);
    const signature = fn !== undefined && ts.isFunctionLike(fn) ? checker.getSignatureFromDeclaration(fn) : undefined;
    const found = signature ?? type.getCallSignatures()[0];
    if (found === undefined) continue;
    const parameters = found.parameters.map((p) => {
      const d = p.valueDeclaration as ts.ParameterDeclaration | undefined;
      const optional = d?.questionToken !== undefined || d?.initializer !== undefined;
      return `${d?.dotDotDotToken ? '…' : ''}${p.name}${optional ? '?' : ''}`;
    });
    return `${prefix}${symbol.name}(${parameters.join(', ')})`;
  }
  return `${prefix}${symbol.name}`;
}

const isOperation = (symbol: ts.Symbol): boolean =>
  (symbol.flags &
    (ts.SymbolFlags.Method | ts.SymbolFlags.GetAccessor | ts.SymbolFlags.Function | ts.SymbolFlags.Variable)) !==
  0;

function fileOf(symbol: ts.Symbol): string {
  return symbol.declarations?.[0]?.getSourceFile().fileName ?? '';
}

const byFamily = new Map<string, Map<string, Entry>>();

function add(symbol: ts.Symbol, prefix: string): void {
  const aliased = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  if (!isOperation(aliased) || aliased.name.startsWith('__')) return;
  const file = fileOf(aliased);
  const family = families.find(([, test]) => test.test(file))?.[0] ?? (/src\/tensor\//.test(file) ? REST : null);
  if (family === null) return;
  const entries = byFamily.get(family) ?? new Map<string, Entry>();
  byFamily.set(family, entries);
  const name = `${prefix}${symbol.name}`;
  entries.set(name, { name, call: callOf(aliased, prefix), doc: docOf(aliased), inPlace: false });
}

const entryFile = program.getSourceFile(join(root, 'src/index.ts')) as ts.SourceFile;
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(entryFile) as ts.Symbol);
for (const symbol of exported) {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  if (symbol.name === 'Tensor') {
    const type = checker.getDeclaredTypeOfSymbol(target);
    for (const property of type.getProperties()) add(property, 'x.');
  } else if (symbol.name === 'functional' || symbol.name === 'linalg') {
    const prefix = symbol.name === 'functional' ? 'F.' : 'linalg.';
    for (const member of checker.getExportsOfModule(target)) add(member, prefix);
  } else add(symbol, '');
}

/** In-place forms join the operation they are the form of. */
function joined(entries: ReadonlyMap<string, Entry>): Entry[] {
  const rows: Entry[] = [];
  for (const entry of entries.values()) {
    const plain = entry.name.endsWith('_') ? entries.get(entry.name.slice(0, -1)) : undefined;
    if (plain === undefined) rows.push(entry);
    else plain.inPlace = true;
  }
  return rows;
}

/** Operations whose docstring is missing: the page is not written without them. */
const silent: string[] = [];

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function familyTable(title: string): string {
  const entries = byFamily.get(title);
  if (entries === undefined) return '';
  const list = joined(entries);
  silent.push(...list.filter((e) => e.doc === '').map((e) => e.name));
  const rows = list.map(
    (e) =>
      `| \`${cell(e.call)}\` | ${e.inPlace ? `\`${basename(e.name.replace(/^.*\./, ''))}_\`` : ''} | ${cell(e.doc)} |`,
  );
  return `## ${title}\n\n| call | in place | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function registryTable(): string {
  const rows = [...operations().values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((op) => `| \`${op.name}\` | ${op.backward === null ? 'no' : 'yes'} |`);
  return `| entry | differentiable |\n| --- | --- |\n${rows.join('\n')}\n`;
}

const text = `# Operations

This page is generated: \`npm run operators\` writes it from the sources and from the registry.

Calls follow PyTorch, in camel case: methods where PyTorch has methods, \`functional\` (\`F\` below) for \`torch.nn.functional\`, \`linalg\` for \`torch.linalg\`. Shapes and lists of dimensions are arrays, options come last in an object. What is listed works for every dtype that PyTorch takes, for views and empty tensors, and where it is differentiable, under every transform and to every order.

${[...families.map(([title]) => title), REST]
  .map(familyTable)
  .filter((t) => t !== '')
  .join('\n')}
## The registry

What is above is made of these entries. Each has a forward function and rules for reverse mode, forward mode and batching; their derivatives are made of entries again. (What is not differentiable passes no gradient on: comparisons, indices, steps.)

${registryTable()}`;

if (silent.length > 0) {
  console.error(`no docstring: ${silent.join(', ')}`);
  process.exitCode = 1;
} else if (process.argv.includes('--check')) {
  const current = readFileSync(page, 'utf8');
  if (current !== text) {
    console.error('docs/operators.md is not what the sources say: run npm run operators');
    process.exitCode = 1;
  }
} else {
  writeFileSync(page, text);
  console.log(`docs/operators.md: ${text.split('\n').filter((l) => l.startsWith('| `')).length} rows`);
}
