//! The input of the page and its report.

export interface Setting {
  /** The end of the drawn week, in seconds since the epoch. */
  end: number;
  /** Seconds between two scrapes. */
  scrape: number;
  title: string;
}

export interface Report {
  height: number;
  panels: number;
  annotations: number;
  problems: { panel: string; what: string }[];
}
