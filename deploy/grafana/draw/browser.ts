//! A headless chromium, controlled through a pipe with the DevTools protocol, so that no port is open. It takes a picture when the
//! page reports that it is ready.

import type { Readable, Writable } from 'node:stream';
import { start } from './children.ts';

type Result = Record<string, any>;

export class Browser {
  private number = 0;
  private waiting = new Map<number, { resolve: (result: Result) => void; reject: (error: Error) => void }>();
  private constructor(private to: Writable) {}

  static start(directory: string): Browser {
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--disable-background-networking'];
    // Resolve no other host than this machine.
    options.push('--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1');
    options.push('--remote-debugging-pipe', `--user-data-dir=${directory}`);
    const { stdio } = start('chromium', options, ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']);
    const browser = new Browser(stdio[3] as Writable);
    browser.listen(stdio[4] as Readable);
    return browser;
  }

  /** Each message ends with a zero byte. */
  private async listen(from: Readable) {
    let rest = '';
    for await (const chunk of from.setEncoding('utf8')) {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop()!;
      for (const message of messages) {
        const { id, result, error } = JSON.parse(message);
        const waiting = this.waiting.get(id);
        if (error) waiting?.reject(new Error(`chromium: ${error.message}`));
        else waiting?.resolve(result);
        this.waiting.delete(id);
      }
    }
    for (const { reject } of this.waiting.values()) reject(new Error('chromium has ended'));
  }

  private call(method: string, params: object, sessionId?: string): Promise<Result> {
    const id = (this.number += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page with this width, and returns a function that takes a picture with a given height. The window is higher than any
   * dashboard, because a table draws only what is inside the window. */
  async open(url: string, width: number): Promise<(height: number) => Promise<Buffer>> {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const screen = { width, height: 6000, deviceScaleFactor: 1, mobile: false };
    await this.call('Emulation.setDeviceMetricsOverride', screen, sessionId);
    await this.call('Page.navigate', { url }, sessionId);
    return async (height) => {
      const clip = { x: 0, y: 0, width, height, scale: 1 };
      const { data } = await this.call('Page.captureScreenshot', { clip }, sessionId);
      return Buffer.from(data, 'base64');
    };
  }
}
