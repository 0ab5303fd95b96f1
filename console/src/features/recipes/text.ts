/** A recipe as its form has it: attributes as lines, sample prompts as the template gives them. */
import type { Recipe } from "../../shared/api/types";

export interface Draft {
  name: string;
  template: string;
  attributes: string;
  repeats: string;
  model: string;
  maxTokens: string;
  temperature: string;
}

export const ARTICLE: Omit<Draft, "model"> = {
  name: "ultraman",
  template:
    "请你用中文写一段300字的故事，情节跌宕起伏，讲述一位{{ dynasty }}朝时期的英雄人物，穿越到现代，拥有了{{ super_power }}这样的超能力，通过{{ story_type }}的战斗，帮助奥特曼一起打败了怪兽的故事。",
  attributes: "dynasty: 唐, 宋, 元, 明, 清, 汉, 魏, 晋, 南北朝\nsuper_power: 隐形, 飞行, 读心术, 瞬间移动, 不死之身, 喷火\nstory_type: 轻松, 努力, 艰难",
  repeats: "1",
  maxTokens: "600",
  temperature: "0.5",
};

export const BLANK: Omit<Draft, "model"> = { name: "", template: "", attributes: "", repeats: "1", maxTokens: "600", temperature: "0.7" };

export type Values = (string | number | boolean)[];

/** The lines as attributes, or the line that is none. */
export function readAttributes(text: string): { attributes: Record<string, Values>; badLine: string | null } {
  const attributes: Record<string, Values> = {};
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    const found = /^\s*([A-Za-z_]\w*)\s*[:：]\s*(.+)$/.exec(line);
    const values = found?.[2]
      ?.split(/[,，、]/)
      .map((value) => value.trim())
      .filter(Boolean);
    if (!found?.[1] || !values?.length) return { attributes, badLine: line.trim() };
    attributes[found[1]] = values.map((value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value));
  }
  return { attributes, badLine: null };
}

/** Only lists can be written as lines. */
export function isPlain(recipe: Recipe): boolean {
  return Object.values(recipe.attributes).every((values) => Array.isArray(values) && values.every((value) => typeof value !== "object"));
}

export function draftOf(recipe: Recipe): Draft {
  const lines = Object.entries(recipe.attributes).map(([name, values]) => `${name}: ${(values as Values).join(", ")}`);
  return {
    name: recipe.name,
    template: recipe.template,
    attributes: lines.join("\n"),
    repeats: String(recipe.repeats),
    model: recipe.model,
    maxTokens: String(recipe.parameters.max_tokens ?? ""),
    temperature: String(recipe.parameters.temperature ?? ""),
  };
}

/** The draft as `POST /v1/recipes` takes it; what the form does not show is kept of `before`. */
export function bodyOf(draft: Draft, before: Recipe | null) {
  const number = (text: string) => (text.trim() === "" || Number.isNaN(Number(text)) ? undefined : Number(text));
  const parameters: Record<string, unknown> = { ...before?.parameters };
  for (const [name, value] of [["max_tokens", number(draft.maxTokens)], ["temperature", number(draft.temperature)]] as const) {
    if (value === undefined) delete parameters[name];
    else parameters[name] = value;
  }
  return {
    name: draft.name.trim(),
    template: draft.template,
    attributes: before && !isPlain(before) ? before.attributes : readAttributes(draft.attributes).attributes,
    repeats: number(draft.repeats) ?? 1,
    model: draft.model,
    parameters,
    ...(before ? { format: before.format } : {}),
  };
}

/** Prompts of the first, a middle and the last cell. Only plain placeholders are filled here; the mill renders the rest. */
export function samplePrompts(template: string, attributes: Record<string, Values>): string[] {
  const names = Object.keys(attributes);
  const cells = names.reduce((count, name) => count * (attributes[name]?.length ?? 1), 1);
  const places = [...new Set([0, Math.floor(cells / 2), cells - 1])];
  return places.map((place) => {
    let rest = place;
    const cell: Record<string, string> = {};
    for (const name of [...names].reverse()) {
      const values = attributes[name] ?? [];
      cell[name] = String(values[rest % values.length]);
      rest = Math.floor(rest / values.length);
    }
    return template.replace(/\{\{\s*([A-Za-z_]\w*)\s*\}\}/g, (whole, name: string) => cell[name] ?? whole);
  });
}
