/** A list of any length in a box: only the rows in sight are in the page. Rows are of one height. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Browsers stop believing in heights somewhere above 16 million pixels; beyond this the scroll bar is geared. */
const TALLEST_PX = 8_000_000;
const SPARE_ROWS = 6;

interface Props {
  label: string;
  count: number;
  rowHeight: number;
  /** The row that is kept in sight. */
  active: number | null;
  row: (index: number) => ComponentChildren;
  /** Told which rows are in sight. */
  onRange: (first: number, last: number) => void;
}

export function VirtualList({ label, count, rowHeight, active, row, onRange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const whole = count * rowHeight;
  const drawn = Math.min(whole, TALLEST_PX);
  const gear = drawn > scroll.height && whole > drawn ? (whole - scroll.height) / (drawn - scroll.height) : 1;
  const place = scroll.top * gear;
  const first = Math.max(0, Math.min(count - 1, Math.floor(place / rowHeight)) - SPARE_ROWS);
  const last = Math.min(count, Math.ceil((place + scroll.height) / rowHeight) + SPARE_ROWS);
  const shift = scroll.top - (place - first * rowHeight);

  const look = () => {
    const element = box.current;
    if (element) setScroll({ top: element.scrollTop, height: element.clientHeight });
  };
  useLayoutEffect(() => {
    look();
    const watching = new ResizeObserver(look);
    if (box.current) watching.observe(box.current);
    return () => watching.disconnect();
  }, []);
  useEffect(() => onRange(first, last), [first, last, count]);
  useEffect(() => {
    const element = box.current;
    if (!element || active === null) return;
    const top = active * rowHeight;
    if (top < place) element.scrollTop = top / gear;
    else if (top + rowHeight > place + element.clientHeight) element.scrollTop = (top + rowHeight - element.clientHeight) / gear;
  }, [active]);

  const rows: ComponentChildren[] = [];
  for (let index = first; index < last; index++) rows.push(row(index));
  return (
    // biome-ignore lint: a list that scrolls must be reachable by keyboard
    <div class="virtual" ref={box} onScroll={look} tabIndex={0} role="region" aria-label={label}>
      <div style={{ height: `${drawn}px` }}>
        <div style={{ transform: `translateY(${Math.max(0, shift)}px)` }}>{rows}</div>
      </div>
    </div>
  );
}
