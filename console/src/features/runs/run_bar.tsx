import type { Counts } from "../../shared/api/types";
import { number } from "../../shared/format";
import { fill, statusWord } from "../../shared/i18n";
import { Bar } from "../../shared/ui/parts";
import { ofTotal } from "./words";

const PARTS = ["succeeded", "failed", "rejected", "running"] as const;

/** A run's stories by state, as parts of a bar. */
export function RunBar({ counts, tall }: { counts: Counts; tall?: boolean }) {
  const total = Math.max(1, counts.total);
  const label = fill(ofTotal(), { n: number(counts.succeeded), m: number(counts.total) });
  return <Bar tall={tall ?? false} label={label} parts={PARTS.map((part) => ({ part, share: counts[part] / total }))} />;
}

export function RunLegend({ counts }: { counts: Counts }) {
  const shown = (["succeeded", "failed", "rejected", "running", "queued", "cancelled"] as const).filter(
    (part) => part === "succeeded" || counts[part] > 0,
  );
  return (
    <ul class="legend">
      {shown.map((part) => (
        <li key={part}>
          <span class="swatch" data-part={part} />
          <b>{number(counts[part])}</b> {statusWord(part)}
        </li>
      ))}
    </ul>
  );
}
