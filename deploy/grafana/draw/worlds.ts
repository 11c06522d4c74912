//! The sources that are drawn, and the answers of their providers at every hour of a week. All data is synthetic.

export type Answer =
  | { status: number }
  | { available: number; active: number; accounts: { uid: string; name: string; balance: number }[] }
  | { money: number; areas: { area: string; price: number }[] }
  | { balance: number; wallet: number; common: boolean; forbidden: boolean }
  /** Of a described service: days until the credits expire, and hours until the requests are filled again. */
  | { credits: number; requests: number; days: number; hours: number }
  /** Of a described service: the balance may fall below zero, down to the limit. */
  | { roubles: number; limit: number };

export interface Source {
  name: string;
  /** The lines of the configuration below `provider`, without the `url`. */
  provider: 'adstat' | 'mysmpp' | 'atisu' | 'demo-ai' | 'demo-texts';
  currency?: string;
  /** The configuration sets no currency for AdStat's accounts, whose answers contain none. */
  bare?: boolean;
  low?: string;
  at: (hour: number) => Answer;
}

export interface World {
  title: string;
  /** Minutes between two polls. */
  interval: number;
  sources: Source[];
  /** Panels that are empty when nothing is wrong. */
  quiet: string[];
}

export const HOURS = 7 * 24;

/** The amount spent up to an hour at a daily rate. It never falls; it rises slowly at night and fastest at noon. */
const spent = (hour: number, day: number) => (day / 24) * (hour - 3.6 * Math.sin((hour * Math.PI) / 12));

/** The balance when `full` is spent at a daily rate and topped up each time it falls to `rest`. */
const left = (hour: number, full: number, rest: number, day: number, phase = 0) =>
  Math.round((full - ((spent(hour, day) + phase * (full - rest)) % (full - rest))) * 100) / 100;

const outage = (hour: number, status: number, ...spans: [number, number][]) =>
  spans.some(([from, to]) => hour >= from && hour < to) ? { status } : undefined;

/** The sources of `balance-exporter demo`, with the described ones, a cabinet whose accounts have no currency, and a second token for the same common wallet. */
const demo: World = {
  title: 'demo data of one week',
  interval: 15,
  quiet: [],
  sources: [
    {
      name: 'ads',
      provider: 'adstat',
      currency: 'EUR',
      low: '{amount: {warning: 200, critical: 50}, accounts: {ACC0002: {critical: 20}}}',
      at: (hour) =>
        outage(hour, 503, [60, 63], [HOURS - 0.9, HOURS + 1]) ?? {
          available: left(hour, 900, 250, 190, 0.1),
          active: left(hour, 250, 100, 300),
          accounts: [
            { uid: 'ACC0001', name: 'Магазин «Ромашка»', balance: left(hour, 400, 100, 55, 0.2) },
            { uid: 'ACC0002', name: 'Coffee & Co', balance: left(hour, 120, 5, 45, 0.21) },
          ],
        },
    },
    {
      name: 'ads-partner',
      provider: 'adstat',
      currency: 'EUR',
      bare: true,
      low: '{accounts: {P2: {warning: 60}}}',
      at: (hour) => ({
        available: left(hour, 500, 100, 60, 0.5),
        active: 100,
        accounts: [
          { uid: 'P1', name: 'Alpha', balance: left(hour, 300, 90, 35, 0.3) },
          { uid: 'P2', name: 'Beta', balance: left(hour, 160, 70, 25, 0.6) },
        ],
      }),
    },
    {
      name: 'sms',
      provider: 'mysmpp',
      low: '{amount: {warning: 5000}, sms: {warning: 5000}, areas: {Tele2: {critical: 1000}}}',
      at: (hour) =>
        outage(hour, 200, [30, 32], [110, 111]) ?? {
          money: left(hour, 19023.9, 900, 4100, 0.97),
          areas: [
            { area: 'Tele2', price: 1.9 },
            { area: 'МТС', price: 2.6 },
            { area: 'Россия', price: 0 },
          ],
        },
    },
    {
      name: 'freight',
      provider: 'atisu',
      low: '{amount: {warning: 100, critical: 20}}',
      at: (hour) => ({ balance: left(hour, 600, 10, 130, 0.6), wallet: 4711, common: true, forbidden: false }),
    },
    {
      name: 'freight-night',
      provider: 'atisu',
      low: '{amount: {warning: 100, critical: 20}}',
      at: (hour) => ({ balance: left(hour, 600, 10, 130, 0.6), wallet: 4711, common: true, forbidden: true }),
    },
    {
      name: 'ai',
      provider: 'demo-ai',
      low: '{amount: {warning: 20, critical: 5}, units: {requests: {warning: 200}}}',
      at: (hour) => ({
        credits: left(hour, 60, 3, 17, 0.3),
        requests: Math.round(left(hour % 24, 1000, 20, 900)),
        days: 5,
        hours: 24 - (hour % 24),
      }),
    },
    {
      name: 'texts',
      provider: 'demo-texts',
      low: '{amount: {critical: -4000}}',
      at: (hour) => ({ roubles: left(hour, 2500, -4500, 1300, 0.1), limit: 5000 }),
    },
  ],
};

const one: World = {
  title: 'one account',
  interval: 60,
  quiet: [
    'What is low', 'Balances without a currency', 'Burn a day without a currency', 'SMS by area', 'Operations forbidden', 'Failing now',
    'Failed polls by reason', 'Failing sources by reason', 'Failed polls by source', 'Units left', 'Expires', 'Credit limits',
  ],
  sources: [
    {
      name: 'freight',
      provider: 'atisu',
      at: (hour) => ({ balance: left(hour, 600, 10, 60, 0.6), wallet: 4711, common: false, forbidden: false }),
    },
  ],
};

const two = (index: number) => String(index).padStart(2, '0');
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index));
/** A reproducible pseudo-random number from 0 to 1. */
const scatter = (index: number) => (index * 0.618034) % 1;

/**
 * Two cabinets of 70 accounts each, one of 20 without a currency, 20 gateways with five areas, 20 tokens of which five share a wallet:
 * 200 accounts.
 */
const many: World = {
  title: '200 accounts',
  interval: 60,
  quiet: ['Units left', 'Expires', 'Credit limits'],
  sources: [
    ...['EUR', 'USD', 'bare'].map((cabinet, at): Source => ({
      name: `advertising-agency-${cabinet.toLowerCase()}`,
      provider: 'adstat',
      currency: at < 2 ? cabinet : 'USD',
      bare: at === 2,
      low: '{amount: {warning: 60, critical: 20}}',
      at: (hour) => ({
        available: left(hour, 9000, 500, 1500, at / 3),
        active: 1000,
        accounts: times(at < 2 ? 70 : 20, (index) => ({
          uid: `ACC${at}${String(index).padStart(3, '0')}`,
          name: `Клиент ${index}`,
          balance: left(hour, 100 + 900 * scatter(index), 5, 5 + 60 * scatter(index + 7), scatter(index * 3)),
        })),
      }),
    })),
    ...times(20, (index): Source => ({
      name: `sms-gateway-of-the-branch-in-nizhny-novgorod-${two(index)}`,
      provider: 'mysmpp',
      low: '{amount: {warning: 900, critical: 300}, sms: {warning: 500}}',
      at: (hour) =>
        (index % 9 === 4 ? outage(hour, index === 4 ? 200 : 503, [40 + index, 44 + index], [HOURS - 4.5, HOURS + 1]) : undefined) ?? {
          money: left(hour, 5000 + 20000 * scatter(index), 200, 900 + 2000 * scatter(index + 3), scatter(index * 5)),
          areas: ['Билайн', 'МегаФон', 'МТС', 'Tele2', 'Россия'].map((area, at) => ({ area, price: at === 4 ? 0 : 1.9 + at / 3 })),
        },
    })),
    ...times(20, (index): Source => ({
      name: `freight-${two(index)}`,
      provider: 'atisu',
      low: '{amount: {warning: 100, critical: 20}}',
      at: (hour) => {
        const wallet = index < 5 ? 0 : index;
        const balance = left(hour, 300 + 600 * scatter(wallet), 10, 40 + 80 * scatter(wallet + 2), scatter(wallet * 7));
        return { balance, wallet: 4700 + wallet, common: index < 5, forbidden: index % 8 === 3 };
      },
    })),
  ],
};

export const worlds: Record<string, World> = { demo, one, many };
