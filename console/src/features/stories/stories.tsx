import { useEffect, useRef, useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Generation, Page, Story, Value } from "../../shared/api/types";
import { moment, number } from "../../shared/format";
import { common, fill, statusWord } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href, query, setQuery } from "../../shared/router";
import { useHotkey } from "../../shared/ui/hotkeys";
import { Icon } from "../../shared/ui/icon";
import { Button, Empty, ErrorNotice, Loading, PageHead, Segments, Select } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { VirtualList } from "../../shared/ui/virtual_list";
import { Peek } from "./peek";
import { useStoryRows } from "./rows";
import { words } from "./words";

const ROW_HEIGHT = 58;
const REVIEWS = ["", "none", "accepted", "rejected"];
const STATES = ["", "succeeded", "failed", "rejected", "queued"];

/** Read and review the stories of a run. */
export function Stories() {
  const runs = useResource("runs", (signal) => api.get<Page<Generation>>("/v1/generations", { limit: 100 }, signal));
  const wanted = query.value.get("run");
  const listed = runs.data?.data.find((run) => run.id === wanted) ?? (wanted ? undefined : runs.data?.data[0]);
  const one = useResource(runs.data && wanted && !listed ? wanted : null, (signal) =>
    api.get<Generation>(`/v1/generations/${wanted}`, {}, signal),
  );
  const run = listed ?? one.data;
  if (run && runs.data) return <StoriesOf key={run.id} run={run} runs={runs.data.data} />;
  return (
    <>
      <PageHead title={words.stories} />
      <ErrorNotice error={runs.error ?? one.error} />
      {runs.data?.data.length === 0 && (
        <div class="card">
          <Empty icon="story" title={words.noRuns}>
            <p>{words.noRunsText}</p>
            <a class="button" data-kind="primary" href={href("/runs")}>
              {words.toRuns}
            </a>
          </Empty>
        </div>
      )}
      {!runs.data && !runs.error && <Loading />}
    </>
  );
}

interface Verdict {
  story: Story;
  before: Story["review"];
}

function StoriesOf({ run, runs }: { run: Generation; runs: Generation[] }) {
  const status = query.value.get("status") ?? "";
  const review = query.value.get("review") ?? "";
  const attributes = query.value.get("attributes") ?? "";
  const isFiltered = status !== "" || review !== "" || attributes !== "";
  const rows = useStoryRows({ generation_id: run.id, status, review, attributes }, isFiltered ? null : run.counts.total);
  const chosen = useChosen(rows);
  const verdicts = useVerdicts(rows, chosen);
  const filters = (
    <div class="filters">
      <Select
        label={words.run}
        value={run.id}
        choices={[run, ...runs.filter((other) => other.id !== run.id)].map((other) => ({
          value: other.id,
          label: `${other.recipe.name} v${other.recipe.version} · ${moment(other.created_at)}`,
        }))}
        onChange={(value) => setQuery({ run: value, story: null, attributes: null })}
      />
      <Segments
        label={words.review}
        value={review}
        choices={REVIEWS.map((value) => ({ value, label: reviewWord(value) }))}
        onChange={(value) => setQuery({ review: value, story: null })}
      />
      <Select
        label={words.state}
        value={status}
        choices={STATES.map((value) => ({ value, label: value ? statusWord(value) : common.all }))}
        onChange={(value) => setQuery({ status: value, story: null })}
      />
      <AttributeFilter text={attributes} />
    </div>
  );
  return (
    <>
      <PageHead title={words.stories} crumbs={<a href={href(`/runs/${run.id}`)}>{run.recipe.name}</a>} badge={<Counted rows={rows} isFiltered={isFiltered} />} />
      {filters}
      <div class="reader" data-open={chosen.story !== undefined || undefined}>
        <div class="card reader-list">
          {rows.count > 0 ? (
            <VirtualList
              label={words.list}
              count={rows.count}
              rowHeight={ROW_HEIGHT}
              active={chosen.index}
              onRange={rows.reach}
              row={(index) => <Row key={index} story={rows.at(index)} isChosen={index === chosen.index} choose={() => chosen.choose(index)} />}
            />
          ) : rows.isLoaded ? (
            <Empty icon="story" title={words.nothing}>
              <Button onClick={() => setQuery({ status: null, review: null, attributes: null, story: null })}>{words.clear}</Button>
            </Empty>
          ) : (
            <Loading />
          )}
        </div>
        <div class="card reader-page">
          {chosen.story ? (
            <Peek
              key={chosen.story.id}
              story={chosen.story}
              decide={verdicts.decide}
              undo={verdicts.undo}
              canUndo={verdicts.count > 0}
              move={chosen.move}
              changed={rows.put}
              close={() => setQuery({ story: null })}
            />
          ) : (
            <Empty icon="story" title={words.choose}>
              <p>{words.chooseText}</p>
            </Empty>
          )}
        </div>
      </div>
    </>
  );
}

function reviewWord(value: string): string {
  return { "": common.all, none: words.toReview, accepted: words.accepted, rejected: words.rejected }[value] ?? value;
}

function Counted({ rows, isFiltered }: { rows: ReturnType<typeof useStoryRows>; isFiltered: boolean }) {
  const text = isFiltered
    ? fill(words.placeSome, { n: number(rows.count), m: rows.hasMore ? words.moreThere : words.allThere })
    : number(rows.count);
  return <span class="muted tabular">{text}</span>;
}

function AttributeFilter({ text }: { text: string }) {
  let attributes: Record<string, Value> = {};
  try {
    attributes = text ? JSON.parse(text) : {};
  } catch {
    // A filter that was typed wrongly: the server says so.
  }
  return (
    <>
      {Object.entries(attributes).map(([name, value]) => (
        <button
          key={name}
          type="button"
          class="button"
          data-small
          aria-label={fill(words.removeFilter, { name })}
          onClick={() => {
            const { [name]: _, ...rest } = attributes;
            setQuery({ attributes: Object.keys(rest).length ? JSON.stringify(rest) : null, story: null });
          }}
        >
          <span class="muted">{name}</span> {String(value)} <Icon name="close" size={13} />
        </button>
      ))}
    </>
  );
}

/** The story that is read: its id stands in the address, its place in the list. */
function useChosen(rows: ReturnType<typeof useStoryRows>) {
  const id = query.value.get("story");
  const [index, setIndex] = useState<number | null>(null);
  const alone = useResource(id && rows.indexOf(id) < 0 ? id : null, (signal) => api.get<Story>(`/v1/stories/${id}`, {}, signal));
  const place = id === null ? null : rows.indexOf(id) >= 0 ? rows.indexOf(id) : index;
  const story = id === null ? undefined : (rows.at(rows.indexOf(id)) ?? alone.data);
  const pending = useRef<number | null>(null);
  // What is chosen at this very moment: keys come faster than the page is drawn.
  const now = useRef({ place, story });
  now.current = { place, story };
  const choose = (next: number) => {
    const bound = Math.max(0, Math.min(rows.count - 1, next));
    setIndex(bound);
    const there = rows.at(bound);
    now.current = { place: bound, story: there };
    pending.current = there ? null : bound;
    if (there) setQuery({ story: there.id });
    else rows.reach(bound, bound + 1);
  };
  useEffect(() => {
    // Moved on to a story that was not loaded yet.
    const there = pending.current === null ? undefined : rows.at(pending.current);
    if (there) {
      pending.current = null;
      setQuery({ story: there.id });
    }
  });
  useEffect(() => {
    const first = rows.at(0);
    if (id === null && first && window.matchMedia("(min-width: 861px)").matches) setQuery({ story: first.id });
  }, [id, rows.isLoaded]);
  const move = (step: number) => choose(now.current.place === null ? 0 : now.current.place + step);
  useHotkey("j", () => move(1));
  useHotkey("k", () => move(-1));
  return { story, index: place, now, choose, move };
}

/** Verdicts of this sitting, the last one first to be taken back. */
function useVerdicts(rows: ReturnType<typeof useStoryRows>, chosen: ReturnType<typeof useChosen>) {
  const given = useRef<Verdict[]>([]);
  const [, redraw] = useState(0);
  const send = async (story: Story, review: Story["review"]): Promise<boolean> => {
    rows.put({ ...story, review });
    try {
      rows.put(await api.patch<Story>(`/v1/stories/${story.id}`, { review }));
      return true;
    } catch (error) {
      rows.put(story);
      tellError(error);
      return false;
    }
  };
  const decide = (review: "accepted" | "rejected") => {
    const { story } = chosen.now.current;
    if (!story || story.status !== "succeeded" || !canWrite()) return;
    given.current.push({ story, before: story.review });
    void send(story, review);
    chosen.move(1);
  };
  const undo = () => {
    const last = given.current.pop();
    redraw((count) => count + 1);
    if (!last) {
      tell(words.nothingToUndo);
      return;
    }
    const place = rows.indexOf(last.story.id);
    if (place >= 0) chosen.choose(place);
    else setQuery({ story: last.story.id });
    void send(rows.at(rows.indexOf(last.story.id)) ?? last.story, last.before).then((isDone) => isDone && tell(words.undone));
  };
  return { decide, undo, count: given.current.length };
}

function Row({ story, isChosen, choose }: { story: Story | undefined; isChosen: boolean; choose: () => void }) {
  if (!story) return <div class="story-row" />;
  return (
    <button type="button" class="story-row" aria-pressed={isChosen} data-review={story.review ?? undefined} onClick={choose}>
      <span class="mark">
        {story.review === "accepted" && <Icon name="check" size={15} />}
        {story.review === "rejected" && <Icon name="close" size={15} />}
        <span class="visually-hidden">{story.review ? reviewWord(story.review) : ""}</span>
      </span>
      <span class="what">
        <span class="cut">{Object.values(story.attributes).map(String).join(" · ") || `#${story.position + 1}`}</span>
        <span class="cut small muted">{story.text ?? (story.failure ? story.failure.class.replace(/_/g, " ") : statusWord(story.status))}</span>
      </span>
      <span class="small muted tabular">{number(story.position + 1)}</span>
    </button>
  );
}
