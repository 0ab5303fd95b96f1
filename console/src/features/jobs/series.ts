/** Numbers of a curve made fewer without hiding a spike: of each stretch its lowest and its highest point. */
export function thin(xs: number[], series: (number | null)[][], most: number): { xs: number[]; series: (number | null)[][] } {
  if (xs.length <= most) return { xs, series };
  const stretch = Math.ceil((xs.length * 2 * series.length) / most);
  const kept = new Set<number>([0, xs.length - 1]);
  for (let start = 0; start < xs.length; start += stretch) {
    for (const values of series) {
      let low = -1;
      let high = -1;
      for (let index = start; index < Math.min(start + stretch, xs.length); index++) {
        const value = values[index];
        if (value === null || value === undefined) continue;
        if (low < 0 || value < (values[low] as number)) low = index;
        if (high < 0 || value > (values[high] as number)) high = index;
      }
      if (low >= 0) kept.add(low).add(high);
    }
  }
  const places = [...kept].sort((one, other) => one - other);
  return { xs: places.map((place) => xs[place] as number), series: series.map((values) => places.map((place) => values[place] ?? null)) };
}
