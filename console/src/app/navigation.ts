import { say } from "../shared/i18n";
import type { IconName } from "../shared/ui/icon";

const words = say({
  write: ["Write", "写作"],
  tune: ["Models", "模型"],
  operate: ["Operate", "运维"],
  home: ["Home", "首页"],
  recipes: ["Recipes", "配方"],
  runs: ["Runs", "批量生成"],
  stories: ["Stories", "故事"],
  datasets: ["Datasets", "数据集"],
  jobs: ["Jobs", "微调任务"],
  models: ["Models", "模型"],
  playground: ["Playground", "试写台"],
  cost: ["Cost", "费用"],
  system: ["System", "系统"],
});

export interface NavItem {
  to: string;
  icon: IconName;
  label: () => string;
}

/** The pages there are, in the order of the work. */
export const navigation: { label: (() => string) | null; items: NavItem[] }[] = [
  { label: null, items: [{ to: "/", icon: "home", label: () => words.home }] },
  {
    label: () => words.write,
    items: [
      { to: "/recipes", icon: "recipe", label: () => words.recipes },
      { to: "/runs", icon: "run", label: () => words.runs },
      { to: "/stories", icon: "story", label: () => words.stories },
    ],
  },
  {
    label: () => words.tune,
    items: [
      { to: "/datasets", icon: "data", label: () => words.datasets },
      { to: "/jobs", icon: "job", label: () => words.jobs },
      { to: "/models", icon: "model", label: () => words.models },
      { to: "/playground", icon: "play", label: () => words.playground },
    ],
  },
  {
    label: () => words.operate,
    items: [
      { to: "/cost", icon: "cost", label: () => words.cost },
      { to: "/system", icon: "system", label: () => words.system },
    ],
  },
];
