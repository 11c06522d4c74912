// Writes the dashboard as a typed constant, for tsc to hold against @grafana/schema: the whole, and each panel's options and its
// fields' own options, for which the dashboard's type takes anything.
import { readFileSync } from 'node:fs';

const dashboard = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// These keys of an annotation are its data source's own, of which this schema knows nothing; roundtrip.py looks at them.
for (const annotation of dashboard.annotations.list) {
  for (const key of ['target', 'titleFormat', 'textFormat', 'tagKeys']) delete annotation[key];
}

const kinds = { timeseries: 'TimeSeries', stat: 'Stat', bargauge: 'BarGauge', table: 'Table' };
const out = [
  "import type { Dashboard } from '@grafana/schema';",
  ...Object.entries(kinds).map(
    ([type, name]) => `import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen';`,
  ),
  // JSON has texts where the schema has enums, and needs not say what has a default.
  'type Loose<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T',
  '  : T extends (infer U)[] ? Loose<U>[] : T extends object ? { [K in keyof T]?: Loose<T[K]> } : T;',
  `export const dashboard: Loose<Dashboard> = ${JSON.stringify(dashboard, null, 1)};`,
];
for (const { id, type, title, options, fieldConfig } of dashboard.panels) {
  const kind = kinds[type];
  if (!kind) throw new Error(`${title}: no schema is known for panels of the type ${type}`);
  out.push(`// ${title}`, `export const options${id}: Loose<${kind}.Options> = ${JSON.stringify(options, null, 1)};`);
  const custom = fieldConfig.overrides.flatMap(({ properties }) => properties.filter((property) => property.id.startsWith('custom.')));
  const fields = [fieldConfig.defaults.custom ?? {}, ...custom.map((property) => ({ [property.id.slice(7)]: property.value }))];
  const own = kind === 'TimeSeries' || kind === 'Table' ? `${kind}.FieldConfig` : '{}';
  out.push(`export const fields${id}: Loose<${own}>[] = ${JSON.stringify(fields, null, 1)};`);
}
process.stdout.write(`${out.join('\n')}\n`);
