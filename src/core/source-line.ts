/*
 * Where user code called the library: read off the stack of an error, as every engine writes it. No
 * source maps are needed; hosts that apply them do so to the stack itself.
 */

interface Frame {
  /** The function that runs, as far as the engine names it. */
  readonly name: string;
  readonly file: string;
  /** `file:line:column` */
  readonly at: string;
  readonly text: string;
}

/** How deep stacks are looked through for user code; engines keep ten frames if not asked for more. */
const DEPTH = 100;

/** An error whose stack leads from here to user code. Its text is only made when it is read. */
export function captureStack(): Error {
  const settings = Error as { stackTraceLimit?: number };
  const limit = settings.stackTraceLimit;
  if (limit !== undefined) settings.stackTraceLimit = DEPTH;
  try {
    return new Error('stack');
  } finally {
    if (limit !== undefined) settings.stackTraceLimit = limit;
  }
}

/** The frames of a stack: V8 writes `at name (file:1:2)`, Firefox and Safari `name@file:1:2`. */
function framesOf(stack: string): readonly Frame[] {
  return stack.split('\n').flatMap((line) => {
    const text = line.trim();
    const match =
      /^at (?:(?:async )?(.*?) \()?(.*?):(\d+):(\d+)\)?$/.exec(text) ?? /^(.*?)@(.*?):(\d+):(\d+)$/.exec(text);
    if (match === null) return [];
    const [, name = '', path, row, column] = match;
    const file = path.replace(/^file:\/\//, '').replace(/\?.*$/, '');
    return [{ name, file, at: `${file}:${row}:${column}`, text }];
  });
}

const HERE = 'core/source-line.ts';

let root: string | null = null;

/**
 * The folder that the library is in, told by its own frames: its sources, or where it is bundled. Looked at
 * when first needed, since an engine that writes a stack counts the lines of every file in it.
 */
function ownFolder(): string {
  root ??= folderOf(framesOf(captureStack().stack ?? '')[0]?.file ?? '');
  return root;
}

function folderOf(file: string): string {
  return file.endsWith(HERE) ? file.slice(0, -HERE.length) : file.slice(0, file.lastIndexOf('/') + 1);
}

/** What engines call the class of tensors in the name of a frame; minifiers rename it. */
let receiver = 'Tensor';

/** @internal */
export function setReceiver(className: string): void {
  receiver = className;
}

const isHost = ({ file }: Frame): boolean => /^(node|bun|deno|ext):|^native$/.test(file);

/** The frames of user code, nearest first. */
function userFrames(stack: string, library: string): readonly Frame[] {
  const frames = framesOf(stack).filter((f) => !isHost(f));
  const outside = library === '' ? [] : frames.filter((f) => !f.file.startsWith(library));
  if (outside.length > 0) return outside;
  // Bundled into one file with user code, which begins behind the first methods of a tensor. Where none is
  // in between, only the end of the stack is user code for certain.
  const first = frames.findIndex((f) => f.name.startsWith(`${receiver}.`));
  if (first < 0) return frames.slice(-1);
  const behind = frames.slice(first).findIndex((f) => !f.name.startsWith(`${receiver}.`));
  return behind < 0 ? [] : frames.slice(first + behind);
}

/** The line of user code that a stack leads to, as `file:line:column`. */
export function lineOf(error: Error, library: string = ownFolder()): string {
  return userFrames(error.stack ?? '', library)[0]?.at ?? 'a place that the host does not tell';
}

/** The part of a stack that is user code, a line a frame, as far as it is of interest. */
export function tracebackOf(error: Error, library: string = ownFolder()): string {
  const frames = userFrames(error.stack ?? '', library).slice(0, 10);
  return frames.length === 0 ? '  (the host tells no stack)' : frames.map((f) => `  ${f.text}`).join('\n');
}
