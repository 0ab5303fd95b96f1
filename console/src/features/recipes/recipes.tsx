import { api } from "../../shared/api/client";
import type { Page, Recipe } from "../../shared/api/types";
import { compact, moment } from "../../shared/format";
import { useResource } from "../../shared/resource";
import { go, href } from "../../shared/router";
import { Card, Empty, ErrorNotice, Loading, PageHead } from "../../shared/ui/parts";
import { words } from "./words";

/** What can be written: every recipe of the project. */
export function Recipes() {
  const { data, error } = useResource("recipes", (signal) => api.get<Page<Recipe>>("/v1/recipes", { limit: 200 }, signal));
  return (
    <>
      <PageHead title={words.recipes}>
        <a class="button" data-kind="primary" href={href("/recipes/new")}>
          {words.new}
        </a>
      </PageHead>
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Card flush>
          {data.data.length === 0 ? (
            <Empty icon="recipe" title={words.none}>
              <p>{words.noneText}</p>
              <a class="button" data-kind="primary" href={href("/recipes/new?from=article")}>
                {words.sample}
              </a>
              <a href={href("/recipes/new")}>{words.blank}</a>
            </Empty>
          ) : (
            <div class="table-wrap">
              <table class="table">
                <thead>
                  <tr>
                    <th scope="col">{words.name}</th>
                    <th scope="col" class="wide-only">
                      {words.template}
                    </th>
                    <th scope="col" class="num">
                      {words.stories}
                    </th>
                    <th scope="col" class="wide-only">
                      {words.model}
                    </th>
                    <th scope="col" class="num wide-only">
                      {words.version}
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {data.data.map((recipe) => (
                    <tr key={recipe.id} data-link onClick={() => go(`/recipes/${encodeURIComponent(recipe.name)}`)}>
                      <td>
                        <a class="main-cell" href={href(`/recipes/${encodeURIComponent(recipe.name)}`)}>
                          {recipe.name}
                        </a>
                        <div class="small muted">{Object.keys(recipe.attributes).join(" × ")}</div>
                      </td>
                      <td class="wide-only cut template-cell muted">{recipe.template}</td>
                      <td class="num">{recipe.stories === null ? "–" : compact(recipe.stories)}</td>
                      <td class="wide-only cut model-cell">{recipe.model}</td>
                      <td class="num wide-only">
                        v{recipe.version} · {moment(recipe.created_at)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Card>
      )}
    </>
  );
}
