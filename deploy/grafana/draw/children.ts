//! Child processes, which end when this process ends.

import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';

const children: ChildProcess[] = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export function start(program: string, options: string[], stdio: StdioOptions = 'ignore'): ChildProcess {
  // A proxy from the environment cannot reach loopback.
  const child = spawn(program, options, { stdio, env: { ...process.env, NO_PROXY: '127.0.0.1' } });
  children.push(child);
  return child;
}
