/** Numbers, money, times, as people read them in the language they chose. */
import { language } from "./view";

const locale = () => (language.value === "zh" ? "zh-CN" : "en-US");

export function number(value: number, digits = 0): string {
  return value.toLocaleString(locale(), { maximumFractionDigits: digits });
}

export function percent(share: number): string {
  const digits = share > 0 && share < 0.01 ? 1 : 0;
  // 99.6 % is not done yet.
  const shown = share < 1 ? Math.min(share, 0.999) : share;
  return shown.toLocaleString(locale(), { style: "percent", maximumFractionDigits: shown > 0.99 && shown < 1 ? 1 : digits });
}

export function compact(value: number): string {
  return value < 10_000 ? number(value) : value.toLocaleString(locale(), { notation: "compact", maximumFractionDigits: 1 });
}

/** Cents for large amounts, figures that count for small ones. */
export function usd(amount: number | null | undefined): string {
  if (amount === null || amount === undefined) return language.value === "zh" ? "未知" : "unknown";
  if (amount === 0) return "$0";
  if (Math.abs(amount) >= 1) return `$${amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${amount.toLocaleString("en-US", { maximumSignificantDigits: 3, maximumFractionDigits: 9 })}`;
}

export function duration(seconds: number): string {
  const total = Math.max(0, Math.round(seconds));
  const units: [number, string, string][] = [
    [86_400, "d", " 天"],
    [3600, "h", " 小时"],
    [60, "min", " 分"],
    [1, "s", " 秒"],
  ];
  const first = units.findIndex(([size]) => total >= size);
  if (first < 0) return language.value === "zh" ? "0 秒" : "0 s";
  let rest = total;
  const parts: string[] = [];
  for (const [size, en, zh] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(language.value === "zh" ? `${count}${zh}` : `${count} ${en}`);
  }
  return parts.join(" ");
}

export function moment(seconds: number | null | undefined): string {
  if (!seconds) return "–";
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(locale(), {
    ...(isToday ? {} : { month: "short", day: "numeric" }),
    ...(date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}

export function fullMoment(seconds: number | null | undefined): string {
  return seconds ? new Date(seconds * 1000).toLocaleString(locale(), { hour12: false }) : "–";
}

export function shortId(id: string): string {
  return id.length > 18 ? `${id.slice(0, id.search(/[_-]/) + 1)}…${id.slice(-6)}` : id;
}
