//! Grafana's components for the panel types of the dashboard.

import { FieldType, ReducerID, VizOrientation, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import type { DataFrame, DisplayValueAlignmentFactors, FieldConfigSource, FieldDisplay, GrafanaTheme2, TimeRange } from '@grafana/data';
import type { Panel } from '@grafana/schema';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import type { UPlotConfigBuilder, VizRepeaterRenderValueProps } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { ReactNode } from 'react';

export interface Drawing {
  panel: Panel;
  data: DataFrame[];
  fieldConfig: FieldConfigSource;
  annotations: number[];
  range: TimeRange;
  theme: GrafanaTheme2;
  width: number;
  height: number;
}

type Options = Record<string, any>;
type Value = VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>;

/** Replaces values that are not finite with gaps, as Grafana does; the bare component would lose its axis. */
const finite = (frames: DataFrame[]) =>
  frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) =>
      field.type === FieldType.number ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) } : field,
    ),
  }));

/** Draws annotations as Grafana does, with a dashed line and a mark below the axis. The package lacks that plugin. */
function mark(builder: UPlotConfigBuilder, annotations: number[], colour: string) {
  builder.addHook('draw', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4, 4]);
    for (const moment of annotations) {
      const x = plot.valToPos(moment, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x - 5, bbox.top + bbox.height + 6);
      ctx.lineTo(x + 5, bbox.top + bbox.height + 6);
      ctx.fill();
    }
    ctx.restore();
  });
}

function Lines({ panel, data, annotations, range, theme, width, height }: Drawing) {
  const options: Options = panel.options ?? {};
  let marked: UPlotConfigBuilder | undefined;
  return (
    <TimeSeries
      frames={finite(data)}
      structureRev={1}
      timeRange={range}
      timeZone="utc"
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    >
      {(builder) => {
        if (marked !== builder) mark(builder, annotations, theme.visualization.getColorByName('green'));
        marked = builder;
        return null;
      }}
    </TimeSeries>
  );
}

function Values({ panel, data, fieldConfig, theme, width, height }: Drawing) {
  const options: Options = panel.options ?? {};
  const getValues = () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: { calcs: [ReducerID.lastNotNull], ...options.reduceOptions },
      replaceVariables: (text) => text,
      theme,
      data,
      sparkline: options.graphMode !== 'none',
      timeZone: 'utc',
    });
  const stat = ({ value, width, height, count }: Value) => (
    <BigValue
      value={value.display}
      {...{ width, height, count, theme }}
      colorMode={options.colorMode}
      graphMode={options.graphMode}
      textMode={options.textMode}
      justifyMode={options.justifyMode}
      text={options.text}
    />
  );
  const bar = ({ value, width, height, orientation, alignmentFactors }: Value) => (
    <BarGauge
      value={value.display}
      field={value.field}
      display={value.view?.getFieldDisplayProcessor(value.colIndex!)}
      text={options.text}
      displayMode={options.displayMode}
      valueDisplayMode={options.valueMode}
      namePlacement={options.namePlacement}
      showUnfilled={options.showUnfilled}
      itemSpacing={8}
      lcdCellWidth={12}
      {...{ width, height, orientation, alignmentFactors, theme }}
    />
  );
  const { minVizHeight, minVizWidth, maxVizHeight } = options;
  const sizes = options.sizing === 'manual' ? { minVizHeight, minVizWidth, maxVizHeight } : { minVizHeight: 16, minVizWidth: 8, maxVizHeight: 300 };
  const repeater = { getValues, width, height, source: data, renderCounter: 1 };
  return panel.type === 'stat' ? (
    <VizRepeater {...repeater} orientation={VizOrientation.Auto} autoGrid renderValue={stat} />
  ) : (
    <VizRepeater {...repeater} {...sizes} orientation={options.orientation} itemSpacing={8} renderValue={bar} getAlignmentFactors={getDisplayValueAlignmentFactors} />
  );
}

const Table = ({ panel, data, fieldConfig, range, width, height }: Drawing) => (
  <TableNG
    data={data[0]!}
    initialSortBy={(panel.options as Options).sortBy}
    cellHeight={(panel.options as Options).cellHeight}
    {...{ width, height, fieldConfig, timeRange: range }}
  />
);

const types: Record<string, (drawing: Drawing) => ReactNode> = { timeseries: Lines, stat: Values, bargauge: Values, table: Table };

export const isDrawn = (type: string) => type in types;

export function Body(drawing: Drawing) {
  const Type = types[drawing.panel.type]!;
  return <Type {...drawing} />;
}
