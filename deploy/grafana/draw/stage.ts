//! Draws one world: generates its week, starts a Prometheus with it, serves the page with Grafana's panels, and takes the picture.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { Browser } from './browser.ts';
import { start } from './children.ts';
import { SCRAPE, live } from './week.ts';
import { listen, provide } from './providers.ts';
import { worlds } from './worlds.ts';
import type { Report, Setting } from './report.ts';

const [, , binary, name, dashboard, bundle, directory, picture] = process.argv as string[] as [
  string, string, string, string, string, string, string, string,
];
const WIDTH = 1500;

async function until(url: string, ready: (status: number) => boolean) {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const status = await fetch(url).then((answer) => answer.status, () => 0);
    if (ready(status)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} did not answer within 30 s`);
}

async function prometheus(): Promise<string> {
  // The port was free a moment ago; nothing better can be known.
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  writeFileSync(`${directory}/prometheus.yml`, '{}\n');
  start('prometheus', [
    `--config.file=${directory}/prometheus.yml`,
    `--storage.tsdb.path=${directory}/data`,
    '--storage.tsdb.retention.time=30d',
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const url = `http://127.0.0.1:${port}`;
  await until(`${url}/-/ready`, (status) => status === 200);
  return url;
}

/** Serves the page, forwards its queries to Prometheus, and stores its report. */
function serve(prometheus: string, setting: Setting, report: (report: Report) => void): Server {
  const files: Record<string, [string, string | Buffer]> = {
    '/': ['text/html', '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/page.css"><div id="root"></div><script src="/page.js"></script>'],
    '/page.js': ['text/javascript', readFileSync(`${bundle}/page.js`)],
    '/page.css': ['text/css', readFileSync(`${bundle}/page.css`)],
    '/dashboard.json': ['application/json', readFileSync(dashboard)],
    '/setting.json': ['application/json', JSON.stringify(setting)],
  };
  return createServer(async (request, response) => {
    const path = request.url ?? '';
    if (path.startsWith('/api/v1/')) {
      const answer = await fetch(prometheus + path);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    } else if (path === '/report') {
      let body = '';
      for await (const chunk of request) body += chunk;
      report(JSON.parse(body));
      response.end();
    } else {
      const [type, file] = files[path] ?? ['text/plain', undefined];
      response.writeHead(file ? 200 : 404, { 'content-type': type }).end(file);
    }
  });
}

/** Waits for a report, with a timeout because a browser can hang. */
function patience<T>(promise: Promise<T>): Promise<T> {
  const error = new Error('the page was not ready within two minutes');
  return Promise.race([promise, new Promise<never>((_, reject) => setTimeout(() => reject(error), 120_000))]);
}

async function main() {
  const world = worlds[name];
  if (!world) throw new Error(`there is no world ${name}; there are ${Object.keys(worlds).join(', ')}`);
  const drawn = new Set(readFileSync(dashboard, 'utf8').match(/balance_\w+/g));
  const providers = await provide(world);
  console.log(`a week of ${world.sources.length} source(s) …`);
  const end = await live(world, providers, binary, drawn, directory).finally(providers.close);
  const setting: Setting = { end, scrape: SCRAPE, title: world.title };
  console.log('drawing …');
  let done: (report: Report) => void = () => {};
  const reported = new Promise<Report>((resolve) => (done = resolve));
  const page = `http://127.0.0.1:${await listen(serve(await prometheus(), setting, done))}/`;
  const capture = await patience(Browser.start(`${directory}/browser`).open(page, WIDTH));
  const report = await patience(reported);
  writeFileSync(picture, await patience(capture(report.height)));
  const problems = report.problems.filter(({ panel, what }) => what !== 'no data' || !world.quiet.includes(panel));
  for (const { panel, what } of problems) console.error(`${panel}: ${what}`);
  if (problems.length) throw new Error(`${problems.length} problems; see ${picture}`);
  console.log(`${report.panels} panels, ${report.annotations} annotations: ${picture}`);
}

main().then(
  () => process.exit(0),
  (error: Error) => {
    console.error(`draw: ${error.message}`);
    process.exit(1);
  },
);
