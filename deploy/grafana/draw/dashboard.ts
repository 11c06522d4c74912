//! The dashboard as Grafana reads it, with variables replaced and repeated panels placed side by side.

import type { Dashboard, Panel } from '@grafana/schema';

export type Scope = Record<string, string>;

export interface Placed {
  panel: Panel;
  scope: Scope;
  x: number;
  y: number;
  w: number;
  h: number;
}

export const fill = (text: string, scope: Scope) =>
  text.replace(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (whole, braced, bare) => scope[braced ?? bare] ?? whole);

async function labelValues(query: string): Promise<string[]> {
  const [, selector, label] = /^label_values\((.*), *(\w+)\)$/.exec(query) ?? [];
  if (!selector || !label) throw new Error(`not understood: ${query}`);
  const answer = await (await fetch(`/api/v1/label/${label}/values?match[]=${encodeURIComponent(selector)}`)).json();
  if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
  return answer.data;
}

/** The replacement of each variable with everything selected, and the values of variables that repeat panels. */
export async function variables(dashboard: Dashboard): Promise<{ scope: Scope; values: Record<string, string[]> }> {
  const scope: Scope = {};
  const values: Record<string, string[]> = {};
  for (const variable of dashboard.templating?.list ?? []) {
    const { name, type, query, allValue, current } = variable;
    if (type === 'query') {
      const asked = typeof query === 'string' ? query : String(query?.query);
      const found = (values[name] = await labelValues(fill(asked, scope)));
      scope[name] = allValue ?? `(${found.join('|')})`;
    } else {
      scope[name] = String(current?.value);
    }
  }
  return { scope, values };
}

/** Places panels in Grafana's 24 columns. The rows of a repeated panel push down the panels below it. */
export function place(dashboard: Dashboard, scope: Scope, values: Record<string, string[]>): Placed[] {
  const panels = ((dashboard.panels ?? []) as Panel[]).toSorted((a, b) => a.gridPos!.y - b.gridPos!.y);
  let pushed = 0;
  return panels.flatMap((panel) => {
    const { x, y, w, h } = panel.gridPos!;
    const top = y + pushed;
    if (!panel.repeat) return [{ panel, scope, x, y: top, w, h }];
    const repeated = values[panel.repeat] ?? [];
    const across = panel.repeatDirection === 'v' ? 1 : Math.max(1, Math.min(repeated.length, panel.maxPerRow ?? 4));
    pushed += (Math.ceil(repeated.length / across) - 1) * h;
    return repeated.map((value, index) => ({
      panel,
      scope: { ...scope, [panel.repeat!]: value },
      x: (index % across) * (24 / across),
      y: top + Math.floor(index / across) * h,
      w: 24 / across,
      h,
    }));
  });
}
