//! The providers of a world on one loopback port. The first part of the path is the source.

import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer, Source, World } from './worlds.ts';

export interface Providers {
  port: number;
  /** Sets the hour for all providers. */
  turn: (hour: number) => void;
  close: () => void;
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export async function provide(world: World): Promise<Providers> {
  let hour = 0;
  const server = createServer((request, response) => {
    // The body is ignored but must be read.
    request.resume();
    const [, name, ...rest] = (request.url ?? '').split('/');
    const source = world.sources.find((source) => source.name === name);
    const { status, body } = source ? answer(source, source.at(hour), rest.join('/'), request) : { status: 404, body: {} };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const port = await listen(server);
  return { port, turn: (to) => (hour = to), close: () => server.close() };
}

function answer(source: Source, says: Answer, path: string, request: IncomingMessage): { status: number; body: unknown } {
  if (path === 'v2/login') return { status: 200, body: { user_id: 'U1', access_token: 'access', refresh_token: 'refresh' } };
  if ('status' in says) {
    // The gateway sends a refusal with status 200.
    return { status: says.status, body: says.status === 200 ? { error: 'Ваш аккаунт заблокирован' } : {} };
  }
  if ('money' in says) {
    const information = says.areas.map(({ area, price }) => ({
      type_sms: 'sms',
      area,
      num_sms: price ? String(Math.floor(says.money / price)) : 'Безлимит',
    }));
    return { status: 200, body: { money: String(says.money), currency: 'RUR', information } };
  }
  if ('credits' in says) {
    const ahead = (hours: number) => Math.floor(Date.now() / 1000) + hours * 3600;
    const data = { bought: 60, used: Math.round((60 - says.credits) * 100) / 100, expires_at: ahead(says.days * 24) };
    return { status: 200, body: { data, requests: { left: says.requests, resets_at: ahead(says.hours) } } };
  }
  if ('roubles' in says) {
    const written = (amount: number) => `${amount.toFixed(2).replace('.', ',')} ₽`;
    return { status: 200, body: { status: 'ok', account: { money: written(says.roubles), limit: written(says.limit) } } };
  }
  if ('wallet' in says) return { status: 200, body: wallet(says) };
  if (request.method === 'GET' && path === 'accounts/telegram/names') {
    return { status: 200, body: says.accounts.map(({ uid, name, balance }) => ({ account_uid: uid, name, balance, mode: 'prod' })) };
  }
  const sum = (amount: number) => ({ amount, currency: source.currency });
  return { status: 200, body: { active: sum(says.active), available: sum(says.available), total: sum(says.active + says.available) } };
}

const wallet = (says: { balance: number; wallet: number; common: boolean; forbidden: boolean }) => ({
  balance: says.balance,
  contactId: 17,
  departmentId: 3,
  firmId: 64357,
  isCommonWallet: says.common,
  isDepartmentWallet: false,
  isPersonalWallet: !says.common,
  operationsForbidden: says.forbidden,
  walletId: says.wallet,
});
