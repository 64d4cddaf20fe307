/**
 * Runs a script as a notebook: prose, then the source of the cell that follows it, then what the
 * cell shows. A cell is the code from one call of `md` to the next.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Language = 'en' | 'zh';

export interface Prose {
  readonly en: string;
  readonly zh: string;
}

export interface Notebook {
  readonly language: Language;
  /** Prints prose and the source of the cell that starts here. */
  md(prose: Prose): void;
  /** Prints values as PyTorch would at the end of a cell. */
  show(...values: readonly unknown[]): void;
  /** Runs code that is expected to fail and prints its message. */
  fails(body: () => unknown): void;
  /** A word or sentence in the notebook's language. */
  say(prose: Prose): string;
}

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
const dim = (text: string): string => paint(2, text);
const blue = (text: string): string => paint(36, text);
const red = (text: string): string => paint(31, text);

function chosenLanguage(args: readonly string[]): Language {
  const i = args.indexOf('--lang');
  const language = i >= 0 ? args[i + 1] : 'en';
  if (language !== 'en' && language !== 'zh') {
    console.error(`--lang takes en or zh, got ${language ?? 'nothing'}`);
    process.exit(2);
  }
  return language;
}

/** The source of each cell: what lies between the calls of `md`, without the indentation they share. */
function cellsOf(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const cells: string[][] = [];
  let insideProse = false;
  for (const line of lines) {
    if (line.startsWith('md(')) {
      cells.push([]);
      insideProse = !line.endsWith(');');
    } else if (insideProse) insideProse = !line.startsWith('});');
    else cells.at(-1)?.push(line);
  }
  return cells.map((c) => c.join('\n').trim());
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : String(value);
}

export function notebook(url: string, args: readonly string[] = process.argv.slice(2)): Notebook {
  const language = chosenLanguage(args);
  const cells = cellsOf(fileURLToPath(url));
  let next = 0;
  let number = 0;
  return {
    language,
    say: (prose) => prose[language],
    md(prose) {
      const source = cells[next];
      next += 1;
      console.log(`\n${prose[language].trim().replaceAll(/^ +/gm, '')}\n`);
      if (source === undefined || source === '') return;
      number += 1;
      const label = `[${number}] `;
      const indent = ' '.repeat(label.length);
      console.log(
        source
          .split('\n')
          .map((line, i) => `${i === 0 ? dim(label) : indent}${blue(line)}`.trimEnd())
          .join('\n'),
      );
      console.log();
    },
    show(...values) {
      console.log(values.map(text).join(' '));
    },
    fails(body) {
      try {
        body();
      } catch (error) {
        console.log(error instanceof Error ? red(`${error.name}: ${error.message}`) : String(error));
        return;
      }
      throw new Error('this was expected to fail');
    },
  };
}
