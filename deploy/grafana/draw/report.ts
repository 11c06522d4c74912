//! What the page is told, and what it tells.

export interface Setting {
  /** When the drawn week ends, in seconds. */
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
