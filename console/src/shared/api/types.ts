/** What the gateway answers, as far as the console reads it. */

export interface Page<T> {
  data: T[];
  has_more: boolean;
  last_id: string | null;
}

export interface Counts {
  total: number;
  queued: number;
  running: number;
  succeeded: number;
  failed: number;
  rejected: number;
  cancelled: number;
}

export interface Generation {
  id: string;
  status: string;
  status_reason: string | null;
  resumes_at: number | null;
  recipe: { id: string; name: string; version: number; version_id: string };
  model: string;
  repeats: number;
  counts: Counts;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  cost_usd: number | null;
  cost_known: boolean;
  reserved_usd: number;
  budget_usd: number | null;
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  limited_by: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

export interface Progress extends Generation {
  stories_per_second: number;
  eta_seconds: number | null;
}

export type Value = string | number | boolean | null;

export interface CoverageCell {
  x: Value;
  y: Value;
  total: number;
  running: number;
  succeeded: number;
  failed: number;
  rejected: number;
  cut: number;
  accepted: number;
  refused: number;
  completion_tokens: number;
}

export interface Coverage {
  attributes: string[];
  x: { name: string | null; values: Value[] };
  y: { name: string | null; values: Value[] };
  cells: CoverageCell[];
  has_more: boolean;
}

export interface Failure {
  failure_class: string;
  stories: number;
  message: string | null;
}

export interface Story {
  id: string;
  generation_id: string;
  attributes: Record<string, Value>;
  repeat: number;
  position: number;
  prompt: string | null;
  text: string | null;
  original_text: string | null;
  status: string;
  attempt: number;
  failure: { class: string; message: string } | null;
  finish_reason: string | null;
  model: string | null;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
  cost_usd: number | null;
  sha256: string | null;
  review: "accepted" | "rejected" | null;
  created_at: number;
  finished_at: number | null;
}

export interface Job {
  id: string;
  created_at: number;
  finished_at: number | null;
  model: string;
  fine_tuned_model: string | null;
  status: string;
  hyperparameters: Record<string, number | string>;
  method: { type: string };
  training_file: string;
  validation_file: string | null;
  trained_tokens: number | null;
  error: { code?: string | null; message?: string | null } | null;
  suffix: string | null;
  estimated_finish: number | null;
  provider: string;
  step: string;
  base_model: string;
  parent_model: string | null;
  dataset_version: string | null;
  estimate: { usd?: number | null; tokens?: number | null } | null;
  budget_usd: number | null;
  cost_usd: number | null;
  wanted: string | null;
  status_reason: string | null;
}

export interface JobEvent {
  id: string;
  created_at: number;
  level: string;
  message: string;
  type: string;
}

export interface Metric {
  step: number;
  elapsed_tokens: number | null;
  train_loss: number | null;
  train_token_accuracy: number | null;
  valid_loss: number | null;
  valid_token_accuracy: number | null;
  learning_rate: number | null;
}

export interface Checkpoint {
  id: string;
  created_at: number;
  fine_tuned_model_checkpoint: string;
  step_number: number;
  metrics: Record<string, number>;
}

export interface JobChange {
  id: string;
  from: string | null;
  to: string;
  by: string | null;
  reason: string | null;
  created_at: number;
}

export interface ModelObject {
  id: string;
  created: number;
  owned_by: string;
  provider?: string;
  resolves_to?: string;
  model_id?: string;
  base_model?: string;
  parent?: string | null;
  job?: string | null;
  dataset_version?: string | null;
  shutdown_date?: string | null;
  is_served?: boolean;
}

export interface AliasChange {
  version: number;
  action: string;
  model: string;
  canary_model: string | null;
  canary_share: number | null;
  changed_by: string | null;
  reason: string | null;
  created_at: number;
}

export interface Alias {
  id: string;
  alias: string;
  model: string;
  canary_model: string | null;
  canary_share: number | null;
  version: number;
  updated_at: number;
  history?: AliasChange[];
}

export interface TreeNode {
  model: string;
  aliases: string[];
  job: string | null;
  dataset_version: string | null;
  rows: number | null;
  trained_tokens: number | null;
  train_loss: number | null;
  valid_loss: number | null;
  cost_usd: number | null;
  created_at: number;
  is_deleted: boolean;
  is_asked: boolean;
  children: TreeNode[];
}

export interface Provider {
  name: string;
  verdict: string;
  since: number | null;
  until: number | null;
  seen_at: number | null;
  last_failure: { class: string; upstream_status: number | null } | null;
  limits: { requests_per_minute: number | null; tokens_per_minute: number | null; concurrency: number | null };
}

export interface UsageSum {
  day?: string;
  model?: string;
  kind?: string;
  provider?: string;
  api_key_id?: string;
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cost_usd: number;
  unpriced_requests: number;
}

export interface Recipe {
  id: string;
  name: string;
  version: number;
  template: string;
  attributes: Record<string, unknown>;
  repeats: number;
  model: string;
  parameters: Record<string, unknown>;
  format: string;
  cells: number | null;
  stories: number | null;
  created_at: number;
}

export interface Estimate {
  total: number;
  model: string;
  prompt_tokens: { low: number; expected: number; high: number };
  completion_tokens: { low: number; expected: number; high: number } | null;
  cost_usd: { low: number; expected: number; high: number } | null;
  seconds_at_least: number | null;
  notes: string[];
}

export interface Finding {
  code: string;
  severity: string;
  count: number;
  reason: string;
  fix: string | null;
  examples: { row_id: number; excerpt: string; after: string | null }[];
}

export interface Dataset {
  id: string;
  version: string | null;
  status: string;
  sources: { generation?: string; file?: string }[];
  format: string | null;
  counts: Record<string, number> | null;
  findings: Finding[] | null;
  /** Those that were applied. */
  fixes: string[] | null;
  template: { separator?: string | null; stop?: string | null } | null;
  files: { train: string; validation: string | null; report: string | null } | null;
  cost_usd: number | null;
  cost_note: string | null;
  error: { message?: string } | null;
  created_at: number;
  finished_at: number | null;
}

export interface DatasetRow {
  id: string;
  split: string;
  row: Record<string, unknown>;
  story_id: string | null;
  generation_id: string | null;
  recipe: string | null;
}
