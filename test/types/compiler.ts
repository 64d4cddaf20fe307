/** Small programs put before the compiler, under the project's own settings. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');

function settings(): ts.CompilerOptions {
  const { config, error } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // The types of Node and of the DOM take longer to read than everything here to check.
  return { ...options, types: [], lib: options.lib?.filter((name) => !name.includes('dom')) };
}

/** Files read from disk are the same for every program. */
const parsed = new Map<string, ts.SourceFile | undefined>();

export interface Checked {
  /** The messages of each snippet, in the order given; a message with reasons has one per line. */
  readonly messages: readonly (readonly string[])[];
  /** How many types the compiler made on the way: a measure of the work that is the same on every machine. */
  readonly instantiations: number;
}

/** Checks each snippet as a module of its own, as if it stood beside this file; `changed` takes the place of settings. */
export function check(snippets: readonly string[], changed: ts.CompilerOptions = {}): Checked {
  const options = { ...settings(), ...changed };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  const files = new Map(
    snippets.map((text, i) => {
      const name = join(here, `snippet-${i}.ts`);
      return [name, ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)];
    }),
  );
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.getSourceFile = (name, ...rest) => {
    if (files.has(name)) return files.get(name);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const messages = [...files.values()].map((file) =>
    [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((d) =>
      ts.flattenDiagnosticMessageText(d.messageText, '\n'),
    ),
  );
  return { messages, instantiations: program.getInstantiationCount() };
}
