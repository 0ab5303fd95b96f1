import { say } from "../../shared/i18n";

export const words = say({
  system: ["System", "系统"],
  stores: ["Stores", "存储"],
  wellStores: ["Postgres and Redis answer.", "Postgres 与 Redis 正常。"],
  providers: ["Providers", "模型提供方"],
  provider: ["Provider", "提供方"],
  verdict: ["Verdict", "判定"],
  since: ["Since", "自"],
  lastFailure: ["Last failure", "最近一次失败"],
  limits: ["Limits", "限速"],
  noLimits: ["none set", "未设置"],
  rpm: ["{n} requests / min", "{n} 次请求/分"],
  tpm: ["{n} tokens / min", "{n} 词元/分"],
  concurrency: ["{n} at a time", "并发 {n}"],
  never: ["not called yet", "尚未调用"],
  until: ["until {time}", "至 {time}"],
  bounds: ["What this server allows", "服务器上限"],
  bound: ["Bound", "上限项"],
  value: ["Value", "值"],
  means: ["Means", "含义"],
  unlimited: ["no limit", "无限制"],
});

/** What an operator does about a verdict. */
export const remedies = say({
  down: ["It does not answer. Runs wait for it and go on by themselves; look whether its address is reachable from the workers.", "提供方无响应。任务会等待并自动继续；请检查工作进程能否访问其地址。"],
  silent: ["It asked for silence. Work goes on at the time it named.", "提供方要求暂停请求，到点后自动继续。"],
  no_credit: ["It has no credit left for this key. Top it up, then resume the paused runs.", "该密钥余额不足。请充值，然后继续已暂停的任务。"],
  key_refused: ["It refuses the key. Put a valid one into the provider's key variable, restart the workers, then resume the paused runs.", "密钥被拒绝。请在提供方的密钥变量中换上有效密钥，重启工作进程，再继续已暂停的任务。"],
});
