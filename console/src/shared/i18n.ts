/** Words in both languages, side by side where they are used: a pair that lacks one does not compile. */
import { language } from "./view";

type Pair = readonly [en: string, zh: string];

export function say<T extends Record<string, Pair>>(pairs: T): { readonly [Name in keyof T]: string } {
  const words = {} as { [Name in keyof T]: string };
  for (const name of Object.keys(pairs) as (keyof T)[]) {
    Object.defineProperty(words, name, { enumerable: true, get: () => pairs[name]?.[language.value === "zh" ? 1 : 0] });
  }
  return words;
}

/** Put values into `{places}` of a text. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Choose between one and many, which Chinese does not tell apart. */
export function plural(count: number, one: string, many: string): string {
  return language.value === "zh" || count !== 1 ? many : one;
}

export const common = say({
  loading: ["Loading …", "加载中…"],
  unreachable: ["The mill does not answer. Trying again …", "服务没有响应，正在重试…"],
  retry: ["Try again", "重试"],
  close: ["Close", "关闭"],
  cancel: ["Cancel", "取消"],
  more: ["Show more", "显示更多"],
  of: ["{n} of {m}", "{m} 中的 {n}"],
  all: ["All", "全部"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  undo: ["Undo", "撤销"],
  readOnly: ["This session may only read.", "此会话为只读。"],
  copyAs: ["Copy as", "复制为"],
  table: ["Table", "表格"],
  chart: ["Chart", "图表"],
  download: ["Download", "下载"],
  nothingHere: ["No such page", "没有这个页面"],
  nothingHereText: ["The address leads nowhere.", "该地址不存在。"],
  home: ["To the start", "返回首页"],
});

const statuses = say({
  queued: ["queued", "排队中"],
  running: ["running", "运行中"],
  paused: ["paused", "已暂停"],
  succeeded: ["succeeded", "已完成"],
  failed: ["failed", "失败"],
  rejected: ["rejected", "被拒"],
  cancelled: ["cancelled", "已取消"],
  validating_files: ["checking files", "检查文件"],
  accepted: ["accepted", "通过"],
  stalled: ["stalled", "中断"],
  finalizing: ["finishing", "收尾中"],
  well: ["well", "正常"],
  down: ["down", "无响应"],
  silent: ["silent", "要求等待"],
  no_credit: ["out of credit", "余额不足"],
  key_refused: ["key refused", "密钥被拒"],
});

export function statusWord(status: string): string {
  return (statuses as Record<string, string>)[status] ?? status.replace(/_/g, " ");
}
