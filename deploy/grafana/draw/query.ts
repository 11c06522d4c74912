//! Prometheus queries as Grafana data frames, with the transformations and field options of a panel.

import {
  FieldType, applyFieldOverrides, cacheFieldDisplayNames, rangeUtil, standardTransformers,
  standardTransformersRegistry, toDataFrame, transformDataFrame,
} from '@grafana/data';
import type { DataFrame, DataTransformerConfig, FieldConfigSource, GrafanaTheme2, TimeRange } from '@grafana/data';
import type { AnnotationQuery, Panel } from '@grafana/schema';
import { lastValueFrom } from 'rxjs';
import { fill } from './dashboard.ts';
import type { Scope } from './dashboard.ts';

interface Series {
  metric: Record<string, string>;
  value?: [number, string];
  values?: [number, string][];
}

interface Target {
  refId: string;
  expr: string;
  format?: string;
  instant?: boolean;
  legendFormat?: string;
  interval?: string;
}

export interface Time {
  range: TimeRange;
  /** Seconds between two scrapes. */
  scrape: number;
  /** The number of points, one for each pixel. */
  width: number;
}

const number = (text: string) => (text.endsWith('Inf') ? (text[0] === '-' ? -Infinity : Infinity) : Number(text));

async function ask(expression: string, scope: Scope, time: Time, least: string, instant: boolean): Promise<Series[]> {
  const from = time.range.from.valueOf() / 1000;
  const to = time.range.to.valueOf() / 1000;
  const { interval, intervalMs } = rangeUtil.calculateInterval(time.range, time.width, least);
  const step = intervalMs / 1000;
  const filled = fill(expression, {
    ...scope,
    __interval: interval,
    __range: `${to - from}s`,
    // Four scrapes, or a step and a scrape more, so that no rate falls between two points.
    __rate_interval: `${Math.max(4 * time.scrape, step + time.scrape)}s`,
  });
  if (/\$/.test(filled.replace(/"[^"]*"/g, ''))) throw new Error(`an unknown variable in ${filled}`);
  const when = instant ? `query?time=${to}` : `query_range?start=${Math.ceil(from / step) * step}&end=${to}&step=${step}`;
  const answer = await (await fetch(`/api/v1/${when}&query=${encodeURIComponent(filled)}`)).json();
  if (answer.status !== 'success') throw new Error(`${answer.error}: ${filled}`);
  return answer.data.result;
}

function table(refId: string, series: Series[]): DataFrame[] {
  if (!series.length) return [];
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))];
  return [
    toDataFrame({
      refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: series.map(({ value }) => value![0] * 1000) },
        ...labels.map((name) => ({ name, type: FieldType.string, values: series.map(({ metric }) => metric[name] ?? '') })),
        { name: 'Value', type: FieldType.number, values: series.map(({ value }) => number(value![1])) },
      ],
    }),
  ];
}

function lines(refId: string, series: Series[], legend: string | undefined): DataFrame[] {
  return series.map(({ metric, value, values = [value!] }) => {
    // A missing label is empty, as on the server; the function in @grafana/data would print its name.
    const name = legend?.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '').trim();
    return toDataFrame({
      refId,
      name,
      fields: [
        { name: 'Time', type: FieldType.time, values: values.map(([at]) => at * 1000) },
        {
          name: 'Value',
          type: FieldType.number,
          labels: metric,
          config: name ? { displayNameFromDS: name } : {},
          values: values.map(([, said]) => number(said)),
        },
      ],
    });
  });
}

standardTransformersRegistry.setInit(() =>
  Object.values(standardTransformers)
    .filter((found, index, all) => all.findIndex(({ id }) => id === found.id) === index)
    .map((transformation) => ({ id: transformation.id, name: transformation.name, transformation, editor: () => null, imageDark: '', imageLight: '' })),
);

/** Accepts every option unchecked; `run check` validates options against the schema. */
function registry(config: FieldConfigSource) {
  const item = (id: string) => ({
    id,
    name: id,
    path: id.replace(/^custom\./, ''),
    isCustom: id.startsWith('custom.'),
    process: (value: unknown) => value,
    shouldApply: () => true,
    settings: {},
    editor: () => null,
    override: () => null,
  });
  const standard = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links'];
  const custom = Object.keys(config.defaults.custom ?? {}).map((key) => `custom.${key}`);
  return { list: () => [...standard, ...custom].map(item), getIfExists: item, get: item };
}

/** JSON has no infinity: the first step of a threshold is stored as null. */
function withFirstSteps(config: unknown): FieldConfigSource {
  return JSON.parse(JSON.stringify(config ?? { defaults: {}, overrides: [] }), (key, value) =>
    key === 'steps' ? value.map((step: { value: number | null }) => ({ ...step, value: step.value ?? -Infinity })) : value,
  );
}

export async function load(panel: Panel, scope: Scope, time: Time, theme: GrafanaTheme2) {
  let frames: DataFrame[] = [];
  for (const target of panel.targets ?? []) {
    const { refId, expr, format, instant, legendFormat, interval } = target as unknown as Target;
    const series = await ask(expr, scope, time, interval ?? `${time.scrape}s`, Boolean(instant));
    frames.push(...(format === 'table' ? table(refId, series) : lines(refId, series, legendFormat)));
  }
  const several = (panel.targets ?? []).length > 1;
  // As in Grafana, so that a table can distinguish the values of its queries.
  for (const frame of frames) {
    for (const field of frame.fields) if (several && field.name === 'Value' && !field.labels) field.name = `Value #${frame.refId}`;
  }
  if (panel.transformations?.length) frames = await lastValueFrom(transformDataFrame(panel.transformations as DataTransformerConfig[], frames));
  const fieldConfig = withFirstSteps(panel.fieldConfig);
  const replaceVariables = (text: string) => fill(text, scope);
  const fieldConfigRegistry = registry(fieldConfig) as never;
  const data = applyFieldOverrides({ data: frames, fieldConfig, theme, replaceVariables, timeZone: 'utc', fieldConfigRegistry });
  cacheFieldDisplayNames(data);
  return { data, fieldConfig };
}

/** The times, in milliseconds, at which an annotation's query returns data. */
export async function moments(annotation: AnnotationQuery, scope: Scope, time: Time): Promise<number[]> {
  const { expr, interval } = annotation.target as unknown as { expr: string; interval?: string };
  const series = await ask(expr, scope, time, interval ?? '1m', false);
  return [...new Set(series.flatMap(({ values = [] }) => values.map(([at]) => at * 1000)))];
}
