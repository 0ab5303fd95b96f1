import type { ComponentChildren } from "preact";
import { Cost } from "../features/cost/cost";
import { Dataset } from "../features/datasets/dataset";
import { Datasets } from "../features/datasets/datasets";
import { Home } from "../features/home/home";
import { Job } from "../features/jobs/job";
import { Jobs } from "../features/jobs/jobs";
import { Lineage } from "../features/models/lineage";
import { Models } from "../features/models/models";
import { Playground } from "../features/playground/playground";
import { Recipe } from "../features/recipes/recipe";
import { Recipes } from "../features/recipes/recipes";
import { Run } from "../features/runs/run";
import { Runs } from "../features/runs/runs";
import { Stories } from "../features/stories/stories";
import { System } from "../features/system/system";
import { common } from "../shared/i18n";
import { href, path } from "../shared/router";
import { Empty } from "../shared/ui/parts";

type Draw = (id: string | undefined) => ComponentChildren;

const PAGES: Record<string, Draw> = {
  "": () => <Home />,
  recipes: (name) => (name ? <Recipe key={name} name={name} /> : <Recipes />),
  runs: (id) => (id ? <Run key={id} id={id} /> : <Runs />),
  stories: () => <Stories />,
  datasets: (id) => (id ? <Dataset key={id} id={id} /> : <Datasets />),
  jobs: (id) => (id ? <Job key={id} id={id} /> : <Jobs />),
  models: (name) => (name ? <Lineage key={name} name={name} /> : <Models />),
  playground: () => <Playground />,
  cost: () => <Cost />,
  system: () => <System />,
};

/** Which page an address means. */
export function Pages() {
  const [section = "", ...rest] = path.value.slice(1).split("/");
  const draw = PAGES[section];
  if (draw) return <>{draw(rest.length > 0 ? decodeURIComponent(rest.join("/")) : undefined)}</>;
  return (
    <Empty icon="info" title={common.nothingHere}>
      <p>{common.nothingHereText}</p>
      <a class="button" href={href("/")}>
        {common.home}
      </a>
    </Empty>
  );
}
