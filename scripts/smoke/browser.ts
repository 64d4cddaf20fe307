import { readFileSync } from 'node:fs';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** The two worlds a page can live in: with shared memory and threads, and with neither but a strict policy. */
export const pages = {
  'cross-origin isolated': {
    isolated: true,
    headers: {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  },
  'strict content security policy': {
    isolated: false,
    headers: { 'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'" },
  },
} as const satisfies Record<string, { isolated: boolean; headers: OutgoingHttpHeaders }>;

const html =
  '<!doctype html><meta charset="utf-8"><title>smoke</title><script type="module" src="/program.js"></script>';

/** Serves a page that runs `dir`'s program against the package installed in `dir`. */
async function serve(dir: string, headers: OutgoingHttpHeaders) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end(html);
      return;
    }
    if (path === '/favicon.ico') {
      response.writeHead(204).end();
      return;
    }
    try {
      let body = readFileSync(join(dir, path), 'utf8');
      // A strict policy forbids the inline import map that would otherwise say this.
      if (path === '/program.js') body = body.replace(/'nabla'/g, "'/node_modules/nabla/dist/index.js'");
      response.writeHead(200, { ...headers, 'Content-Type': 'text/javascript' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/** Runs the program in `dir` on one of the pages and gives the first `count` lines of its console. */
export async function runInBrowser(
  executablePath: string,
  dir: string,
  page: (typeof pages)[keyof typeof pages],
  count: number,
): Promise<string[]> {
  const server = await serve(dir, page.headers);
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  try {
    const tab = await browser.newPage();
    const lines: string[] = [];
    const finished = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within 30 s; printed:\n${lines.join('\n')}`)), 30_000);
      const settle = (error?: Error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      };
      tab.on('pageerror', (error) => settle(error));
      tab.on('requestfailed', (request) => settle(new Error(`${request.url()}: ${request.failure()?.errorText}`)));
      tab.on('console', (message) => {
        if (message.type() === 'error') settle(new Error(`${message.text()} (${message.location().url})`));
        else if (lines.push(message.text()) === count) settle();
      });
    });
    const [, isolated] = await Promise.all([
      finished,
      tab.goto(server.url).then(() => tab.evaluate('crossOriginIsolated')),
    ]);
    if (isolated !== page.isolated) throw new Error(`crossOriginIsolated is ${isolated}`);
    return lines.slice(0, count);
  } finally {
    await browser.close();
    server.close();
  }
}
