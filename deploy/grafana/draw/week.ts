//! Generates a week of samples from the real exporter within a minute or two. The exporter polls a world whose clock is set to one time
//! after another, and each page becomes samples of that time, as if Prometheus had scraped it.

import { execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { start } from './children.ts';
import type { Providers } from './providers.ts';
import { HOURS } from './worlds.ts';
import type { World } from './worlds.ts';

/** Seconds between two scrapes. Prometheus considers a sample stale after five minutes. */
export const SCRAPE = 300;
/** Seconds in a block of Prometheus. */
const BLOCK = 7200;
const TARGET = 'job="balance-exporter",instance="balance-exporter:10120"';

/** The services of the demo, which describes them in the same way. */
const SERVICES = `services:
  demo-ai:
    title: An AI service with credits that expire
    documentation: https://docs.ai.example/credits
    parameters: {token: {secret: true}, url: {}}
    calls:
      - get: \${url}v1/credits
        bearer: \${token}
        readings:
          - {available: .data.bought - .data.used, currency: USD, expires: .data.expires_at}
          - {units: .requests.left, unit: requests, resets: .requests.resets_at}
  demo-texts:
    title: An SMS gateway that writes its balance as a text
    documentation: https://docs.texts.example/balance
    parameters: {token: {secret: true}, url: {}}
    calls:
      - get: \${url}balance
        bearer: \${token}
        readings:
          - {available: .account.money, credit_limit: .account.limit, number: {decimal: ",", unit: ₽}, currency: RUB}
`;

/** The configuration of a world. `turn` changes with each reload, so that every source is polled again and keeps its counters. */
function configuration(world: World, port: number, turn: number): string {
  const sources = world.sources.map(({ name, provider, currency, bare, low }) => {
    const settings = {
      adstat: `url: http://127.0.0.1:${port}/${name}/, login: {username: demo, password: demo}${bare ? '' : `, account_currency: ${currency}`}`,
      mysmpp: `url: http://127.0.0.1:${port}/${name}/, token: demo`,
      atisu: `url: http://127.0.0.1:${port}/${name}/, token: demo, ati_code: "64357"`,
      'demo-ai': `url: "http://127.0.0.1:${port}/${name}/", token: demo`,
      'demo-texts': `url: "http://127.0.0.1:${port}/${name}/", token: demo`,
    }[provider];
    return `  - name: ${name}\n    provider: {${provider}: {${settings}}}\n${low ? `    low: ${low}\n` : ''}`;
  });
  return `defaults: {interval: ${world.interval}m, timeout: 5s, max_age: ${24 + (turn % 2)}h}\n${SERVICES}sources:\n${sources.join('')}`;
}

async function started(exporter: ChildProcess): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: exporter.stderr! })) {
    said.push(line);
    const address = /listening address=(\S+)/.exec(line)?.[1];
    if (address) {
      // Read the pipe: a full pipe would block the exporter.
      exporter.stderr!.resume();
      return `http://${address}/metrics`;
    }
  }
  throw new Error(`the exporter did not start:\n${said.join('\n')}`);
}

/** Returns the page once every source has been polled this many times. */
async function pageAfter(url: string, polls: number, sources: number): Promise<string[]> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    // The exporter may close an idle connection while it is being reused; try again.
    const page = await fetch(url).then((answer) => answer.text(), () => '');
    const lines = page.split('\n');
    const counts = lines.filter((line) => line.startsWith('balance_polls_total{')).map((line) => Number(line.split(' ').pop()));
    if (counts.length === sources && counts.every((count) => count >= polls)) return lines;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not every source was polled ${polls} times within 30 s`);
}

/** Converts a page for the week: keeps drawn metrics, adds the target's labels, and shifts timestamps into the week. */
class Pages {
  private successes = new Map<string, { said: string; at: number }>();
  constructor(private drawn: Set<string>) {}

  samples(page: string[], time: number): string[] {
    return page.flatMap((line) => {
      const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (!name || !value || !this.drawn.has(name)) return [];
      const shown = name === 'balance_last_success_timestamp_seconds' ? this.success(labels ?? '', value, time) : value;
      return [`${name}{${TARGET}${labels ? `,${labels}` : ''}} ${shown}`];
    });
  }

  private success(source: string, said: string, time: number): string {
    const known = this.successes.get(source);
    const at = known?.said === said ? known.at : time;
    this.successes.set(source, { said, at });
    return String(at);
  }
}

/** Imports the samples into Prometheus block by block, so that promtool never holds more than one block in memory. */
class Blocks {
  private lines: string[] = [];
  private block = -1;
  constructor(private directory: string) {}

  add(samples: string[], time: number) {
    const block = Math.floor(time / BLOCK);
    if (block !== this.block) this.flush();
    this.block = block;
    for (const sample of samples) this.lines.push(`${sample} ${time}\n`);
  }

  flush() {
    if (!this.lines.length) return;
    const file = `${this.directory}/samples`;
    writeFileSync(file, `${this.lines.join('')}# EOF\n`);
    execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', '--quiet', file, `${this.directory}/data`]);
    rmSync(file);
    this.lines = [];
  }
}

/** Fills `directory`/data, and returns the end of the week in seconds since the epoch. */
export async function live(world: World, providers: Providers, binary: string, drawn: Set<string>, directory: string): Promise<number> {
  const interval = world.interval * 60;
  const end = Math.floor(Date.now() / 1000 / interval) * interval;
  const begin = end - HOURS * 3600;
  const config = `${directory}/exporter.yaml`;
  const pages = new Pages(drawn);
  const blocks = new Blocks(directory);
  const write = (turn: number) => writeFileSync(config, configuration(world, providers.port, turn), { mode: 0o600 });
  providers.turn(0);
  write(0);
  const exporter = start(binary, [`--config.file=${config}`, '--web.listen-address=127.0.0.1:0'], ['ignore', 'ignore', 'pipe']);
  try {
    const url = await started(exporter);
    for (let time = begin, turn = 0; time <= end; time += interval, turn += 1) {
      if (turn > 0) {
        providers.turn((time - begin) / 3600);
        write(turn);
        exporter.kill('SIGHUP');
      }
      const page = pages.samples(await pageAfter(url, turn + 1, world.sources.length), time);
      // Scrapes between two polls find the same page.
      for (let scrape = time; scrape < time + interval && scrape <= end; scrape += SCRAPE) blocks.add(page, scrape);
    }
    blocks.flush();
  } finally {
    exporter.kill();
  }
  return end;
}
