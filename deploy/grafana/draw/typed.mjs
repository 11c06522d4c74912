// Writes the dashboard as typed constants that tsc checks against @grafana/schema: the whole dashboard, and the options and field
// options of each panel, for which the dashboard's type accepts anything.
import { readFileSync } from 'node:fs';

const dashboard = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// These keys of an annotation belong to its data source and are not in this schema; roundtrip.py checks them.
for (const annotation of dashboard.annotations.list) {
  for (const key of ['target', 'titleFormat', 'textFormat', 'tagKeys']) delete annotation[key];
}

const kinds = { timeseries: 'TimeSeries', stat: 'Stat', bargauge: 'BarGauge', table: 'Table' };
const out = [
  "import type { Dashboard } from '@grafana/schema';",
  ...Object.entries(kinds).map(
    ([type, name]) => `import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen';`,
  ),
  // JSON has strings where the schema has enums, and may omit keys that have a default.
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
