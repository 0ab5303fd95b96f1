/** Curves in a box that follows its width and the colours of the page. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../view";

export interface Line {
  label: string;
  /** Name of a colour of the page, like `--accent`. */
  colour: string;
  values: (number | null)[];
  dots?: boolean;
}

interface Props {
  label: string;
  xs: number[];
  lines: Line[];
  height?: number;
  /** What the horizontal axis counts. */
  xLabel: string;
  formatX?: (value: number) => string;
  formatY?: (value: number) => string;
}

export function Chart({ label, xs, xLabel, lines, height = 280, formatX = String, formatY = String }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = `${lines.map((line) => line.label + line.colour).join()} ${xLabel} ${theme.value}`;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name).trim() || "gray";
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(build(element, colour, { lines, height, xLabel, formatX, formatY }), [xs, ...lines.map((line) => line.values)], element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData([xs, ...lines.map((line) => line.values)]);
  }, [xs, lines]);
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}

type Look = Required<Pick<Props, "lines" | "height" | "xLabel" | "formatX" | "formatY">>;

function build(element: HTMLElement, colour: (name: string) => string, look: Look): uPlot.Options {
  // A canvas knows no light-dark(): the colours are read where they are resolved.
  const resolve = (name: string) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found || colour(name);
  };
  const muted = resolve("--muted");
  const border = resolve("--border");
  const axis = { stroke: muted, grid: { stroke: border, width: 1 }, ticks: { stroke: border, width: 1 }, font: "12px sans-serif" };
  return {
    width: element.clientWidth,
    height: look.height,
    scales: { x: { time: false } },
    legend: { live: true },
    cursor: { points: { size: 7 } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(look.formatX) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map(look.formatY) },
    ],
    series: [
      { label: look.xLabel, value: (_, value) => (value === null ? "–" : look.formatX(value)) },
      ...look.lines.map((line) => ({
        label: line.label,
        stroke: resolve(line.colour),
        width: 2,
        spanGaps: true,
        points: { show: line.dots ?? false, size: 6, fill: resolve(line.colour) },
        value: (_: uPlot, value: number | null) => (value === null ? "–" : look.formatY(value)),
      })),
    ],
  };
}
