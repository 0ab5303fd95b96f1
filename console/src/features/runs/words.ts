import { say } from "../../shared/i18n";

export const words = say({
  runs: ["Runs", "批量生成"],
  recipe: ["Recipe", "配方"],
  model: ["Model", "模型"],
  status: ["Status", "状态"],
  progress: ["Progress", "进度"],
  cost: ["Cost", "费用"],
  started: ["Started", "开始于"],
  noRuns: ["No run yet", "还没有任务"],
  noRunsText: [
    "A run fills a grid of attributes with stories. Start the first one here:",
    "一次任务会按属性网格批量写出故事。用下面的命令开始第一次：",
  ],
  noneSo: ["No run is in this state.", "没有处于该状态的任务。"],
  pause: ["Pause", "暂停"],
  resume: ["Resume", "继续"],
  retry: ["Retry failed", "重试失败项"],
  cancelRun: ["Cancel run", "取消任务"],
  export: ["Export", "导出"],
  dataset: ["Make a dataset", "生成数据集"],
  read: ["Read the stories", "阅读故事"],
  cancelTitle: ["Cancel this run?", "取消此任务？"],
  cancelText: [
    "No new call is made. Calls under way are given up; what they cost is on the books. A cancelled run cannot be resumed.",
    "不再发起新的调用；进行中的调用会被放弃，其费用仍会入账。取消后无法继续。",
  ],
  keep: ["Keep it", "保留任务"],
  paused: ["Paused.", "已暂停。"],
  resumed: ["Goes on.", "已继续。"],
  retried: ["The failed stories are queued again.", "失败的故事已重新排队。"],
  cancelled: ["Cancelled.", "已取消。"],
  stories: ["stories", "篇故事"],
  done: ["Done", "完成"],
  rate: ["Rate", "速度"],
  perMinute: ["{n} / min", "{n} 篇/分"],
  eta: ["about {time} left", "约剩 {time}"],
  average: ["on average over {time}", "{time}内的平均值"],
  tokens: ["Tokens", "词元"],
  tokensDetail: ["{prompt} prompt · {completion} written", "提示 {prompt} · 生成 {completion}"],
  costProjected: ["{usd} when all is done", "全部完成约 {usd}"],
  costCap: ["cap {usd}", "上限 {usd}"],
  costReserved: ["{usd} reserved for calls under way", "{usd} 为进行中的调用预留"],
  costAtLeast: ["at least: some calls have no known price", "至少如此：部分调用价格未知"],
  costNoPrice: ["the model has no known price", "该模型没有已知价格"],
  noCap: ["no cap", "无上限"],
  grid: ["The grid", "网格"],
  across: ["Across", "横轴"],
  down: ["Down", "纵轴"],
  shows: ["Shows", "显示"],
  filled: ["written", "已写"],
  failed: ["failed", "失败"],
  rejected: ["refused by the provider", "被模型方拒绝"],
  cut: ["cut off", "被截断"],
  reviewed: ["reviewed", "已审"],
  length: ["tokens, on average", "平均词元数"],
  cellsOf: ["The first {n} cells are shown.", "只显示前 {n} 个单元格。"],
  oneAxis: ["all", "全部"],
  noGrid: ["This recipe has no attributes: one prompt, repeated.", "该配方没有属性：同一个提示重复多次。"],
  less: ["less", "少"],
  more: ["more", "多"],
  csv: ["CSV", "CSV"],
  failures: ["Why stories failed", "失败原因"],
  failureClass: ["Class", "类别"],
  count: ["Stories", "数量"],
  example: ["One of the messages", "其中一条消息"],
  retryThese: ["Retry these", "重试这些"],
  noFailures: ["No story failed.", "没有失败的故事。"],
  details: ["Details", "详情"],
  id: ["Id", "编号"],
  repeats: ["Repeats", "重复次数"],
  limits: ["Limits of this run", "本任务限速"],
  rpm: ["{n} requests / min", "每分钟 {n} 次请求"],
  tpm: ["{n} tokens / min", "每分钟 {n} 词元"],
  noLimits: ["the provider's only", "仅受模型方限制"],
  created: ["Created", "创建于"],
  finished: ["Finished", "结束于"],
  resumesAt: ["It goes on by itself at {time}.", "将于 {time} 自动继续。"],
});

/** What holds a run up, and what can be done about it. */
export const limits = say({
  requests_per_minute: [
    "Held by the limit of requests per minute.|Raise requests_per_minute of the run or the provider if the provider allows more.",
    "受每分钟请求数限制。|若模型方允许，可提高任务或提供方的 requests_per_minute。",
  ],
  tokens_per_minute: [
    "Held by the limit of tokens per minute.|Raise tokens_per_minute, or lower max_tokens: the worst case of each call counts.",
    "受每分钟词元数限制。|提高 tokens_per_minute，或降低 max_tokens：每次调用按最坏情况计入。",
  ],
  concurrency: [
    "As many calls are under way as may be.|Raise the provider's concurrency, or start more workers: storymill up --workers 2.",
    "并发调用数已达上限。|提高提供方的 concurrency，或增加工作进程：storymill up --workers 2。",
  ],
  budget: [
    "Held by the budget: each call reserves its worst case first.|Lower max_tokens, or start another run with a larger budget.",
    "受预算限制：每次调用先预留最坏情况的费用。|降低 max_tokens，或以更大的预算另起任务。",
  ],
  upstream_latency: ["Waiting for the model.|Nothing to mend: calls are in flight and answers are coming.", "正在等待模型。|无需处理：调用正在进行。"],
  provider_down: [
    "The provider does not answer. The run waits for it; no story fails.|See its state under GET /v1/providers; the run goes on by itself.",
    "模型提供方无响应，任务等待中，不会有故事因此失败。|可查看 GET /v1/providers；恢复后自动继续。",
  ],
  upstream_refusals: [
    "The provider asks to slow down.|Lower the run's requests_per_minute below what the provider allows.",
    "模型提供方要求放慢速度。|把任务的 requests_per_minute 调到提供方允许的范围内。",
  ],
  retry_delay: ["Waiting before trying failed calls again.|Nothing to mend: it goes on by itself.", "重试前等待。|无需处理：会自动继续。"],
  database: ["Waiting for the database.|See whether Postgres is busy: storymill status, storymill logs postgres.", "正在等待数据库。|检查 Postgres 是否繁忙：storymill status、storymill logs postgres。"],
});

export const reasons = say({
  requested: ["Paused as you asked.", "已按请求暂停。"],
  pilot: [
    "Paused: the pilot is written.|Read its stories and see what the rest will cost: GET /v1/generations/{id}/forecast; then resume.",
    "已暂停：试写已完成。|请先阅读这些故事并查看其余部分的费用：GET /v1/generations/{id}/forecast；然后继续。",
  ],
  budget: [
    "Paused: the budget is reached. What is written stays.|Start another run for the rest, or resume if the budget was raised.",
    "已暂停：达到预算。已写的内容保留。|剩余部分可另起任务。",
  ],
});

const measuring = say({
  n: ["{n} of {m}", "{n} / {m}"],
});
export const ofTotal = () => measuring.n;
