/** What /metrics said: each sample by its name and labels. */
export interface Scrape {
  text: string;
  /** The names of all metrics that there are, with or without samples. */
  names: Set<string>;
  /** The sum of the samples of a name that have these labels among theirs; 0 where there is none. */
  sum(name: string, labels?: Record<string, string>): number;
  /** Whether there is such a sample. */
  has(name: string, labels?: Record<string, string>): boolean;
}

export async function scrape(port: number | null): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  return parseScrape(await response.text());
}

export function parseScrape(text: string): Scrape {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, of]) => [key!, of!] as const);
      return { name, labels: new Map(pairs), value: Number(value) };
    });
  const matching = (name: string, wanted: Record<string, string>) =>
    samples.filter(
      (sample) =>
        sample.name === name && Object.entries(wanted).every(([key, of]) => sample.labels.get(key) === of),
    );
  return {
    text,
    names: new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!)),
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
    has: (name, labels = {}) => matching(name, labels).length > 0,
  };
}
