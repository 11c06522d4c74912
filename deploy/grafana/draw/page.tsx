//! Shows the dashboard on a page, and reports its problems.

import { LoadingState, ThemeContext, createTheme, dateTime } from '@grafana/data';
import type { GrafanaTheme2, TimeRange } from '@grafana/data';
import type { Dashboard } from '@grafana/schema';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component } from 'react';
import type { ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { fill, place, variables } from './dashboard.ts';
import type { Placed, Scope } from './dashboard.ts';
import { Body, isDrawn } from './panels.tsx';
import { load, moments } from './query.ts';
import type { Report, Setting } from './report.ts';

/** Grafana's grid: a row is 30 pixels, with 8 between the panels. */
const ROW = 38;
const TOP = 48;
const problems: Report['problems'] = [];

class Caught extends Component<{ panel: string; children: ReactNode }, { failed: boolean }> {
  state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  componentDidCatch(error: Error) {
    problems.push({ panel: this.props.panel, what: String(error.stack ?? error) });
  }
  render() {
    return this.state.failed ? 'failed' : this.props.children;
  }
}

type Loaded = Awaited<ReturnType<typeof load>>;

async function loaded({ panel, scope, w }: Placed, range: TimeRange, scrape: number, theme: GrafanaTheme2): Promise<Loaded | undefined> {
  const title = fill(panel.title ?? '', scope);
  try {
    if (!isDrawn(panel.type)) throw new Error(`panels of the type ${panel.type} are not drawn here`);
    const found = await load(panel, scope, { range, scrape, width: Math.round((window.innerWidth * w) / 24) }, theme);
    if (found.data.some((frame) => frame.length > 0)) return found;
    problems.push({ panel: title, what: 'no data' });
  } catch (error) {
    problems.push({ panel: title, what: String(error) });
  }
  return undefined;
}

interface Stage {
  range: TimeRange;
  theme: GrafanaTheme2;
  annotations: number[];
}

function Panel({ placed, found, range, theme, annotations }: { placed: Placed; found: Loaded | undefined } & Stage) {
  const { panel, scope, x, y, w, h } = placed;
  const column = (window.innerWidth - 16) / 24;
  const [width, height] = [w * column - 8, h * ROW - 8];
  const title = fill(panel.title ?? '', scope);
  const nothing = panel.fieldConfig?.defaults?.noValue ?? 'No data';
  return (
    <div style={{ position: 'absolute', left: 8 + x * column, top: TOP + y * ROW, width, height }}>
      <PanelChrome title={title} description={panel.description} width={width} height={height} loadingState={LoadingState.Done}>
        {(width, height) => (
          <Caught panel={title}>
            {found ? <Body {...found} {...{ panel, annotations, range, theme, width, height }} /> : <p style={{ textAlign: 'center' }}>{nothing}</p>}
          </Caught>
        )}
      </PanelChrome>
    </div>
  );
}

/** The times of the dashboard's annotations, and whether they belong to a panel. */
async function annotated(dashboard: Dashboard, scope: Scope, range: TimeRange, scrape: number) {
  const found: { moments: number[]; on: (panel: number) => boolean }[] = [];
  for (const annotation of dashboard.annotations?.list ?? []) {
    const { enable, name, target, filter } = annotation;
    if (!enable || !target) continue;
    const said = await moments(annotation, scope, { range, scrape, width: window.innerWidth });
    if (!said.length) problems.push({ panel: name, what: 'no data' });
    found.push({ moments: said, on: (panel) => !filter || filter.ids.includes(panel) !== Boolean(filter.exclude) });
  }
  return found;
}

async function main() {
  const setting: Setting = await (await fetch('/setting.json')).json();
  const dashboard: Dashboard = await (await fetch('/dashboard.json')).json();
  const days = /^now-(\d+)d$/.exec(dashboard.time?.from ?? '')?.[1];
  if (!days) throw new Error('the time range of the dashboard is not in days');
  const [from, to] = [dateTime((setting.end - Number(days) * 86400) * 1000), dateTime(setting.end * 1000)];
  const range: TimeRange = { from, to, raw: { from, to } };
  const theme = createTheme({ colors: { mode: 'dark' } });
  const { scope, values } = await variables(dashboard);
  const placed = place(dashboard, scope, values);
  const marks = await annotated(dashboard, scope, range, setting.scrape);
  const panels = [];
  for (const [key, each] of placed.entries()) {
    const found = await loaded(each, range, setting.scrape, theme);
    const annotations = marks.filter(({ on }) => on(each.panel.id!)).flatMap(({ moments }) => moments);
    panels.push(<Panel key={key} placed={each} {...{ found, range, theme, annotations }} />);
  }
  document.body.style.background = theme.colors.background.canvas;
  const heading = { padding: '10px 16px', color: theme.colors.text.primary, fontSize: 18 };
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={heading}>
        {dashboard.title} <span style={{ color: theme.colors.text.secondary }}>({setting.title})</span>
      </div>
      {panels}
    </ThemeContext.Provider>,
  );
  // React renders asynchronously; wait, so that errors during rendering are reported, too.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const height = TOP + 8 + Math.max(...placed.map(({ y, h }) => y + h)) * ROW;
  const report: Report = { height, panels: placed.length, annotations: marks.flatMap(({ moments }) => moments).length, problems };
  await fetch('/report', { method: 'POST', body: JSON.stringify(report) });
}

main().catch((error: Error) => {
  problems.push({ panel: 'the page', what: String(error.stack) });
  const report: Report = { height: 1000, panels: 0, annotations: 0, problems };
  return fetch('/report', { method: 'POST', body: JSON.stringify(report) });
});
