/** The stories of a list: by place where the whole run is shown, page after page where it is filtered. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type Query } from "../../shared/api/client";
import type { Page, Story } from "../../shared/api/types";
import { tellError } from "../../shared/ui/toasts";

const PAGE = 100;

export interface StoryRows {
  count: number;
  hasMore: boolean;
  at: (index: number) => Story | undefined;
  indexOf: (id: string) => number;
  /** Load what is missing between two places. */
  reach: (first: number, last: number) => void;
  put: (story: Story) => void;
  isLoaded: boolean;
}

/** `total`: how many there are, where places are known; null for a filtered list. */
export function useStoryRows(query: Query, total: number | null): StoryRows {
  const [, redraw] = useState(0);
  const key = JSON.stringify([query, total]);
  const kept = useRef<Rows | null>(null);
  if (kept.current?.key !== key) kept.current = new Rows(key, query, total, () => redraw((count) => count + 1));
  const rows = kept.current;
  useEffect(() => rows.reach(0, 1), [rows]);
  return rows;
}

class Rows implements StoryRows {
  private stories = new Map<number, Story>();
  private places = new Map<string, number>();
  private asked = new Set<number>();
  private length = 0;
  private last: string | null = null;
  hasMore = true;
  isLoaded = false;

  constructor(
    readonly key: string,
    private readonly query: Query,
    private readonly total: number | null,
    private readonly changed: () => void,
  ) {}

  get count(): number {
    return this.total ?? this.length;
  }

  at = (index: number) => this.stories.get(index);
  indexOf = (id: string) => this.places.get(id) ?? -1;

  put = (story: Story) => {
    const index = this.places.get(story.id);
    if (index === undefined) return;
    this.stories.set(index, story);
    this.changed();
  };

  reach = (first: number, last: number) => {
    if (this.total === null) {
      if (this.hasMore && last >= this.length - PAGE / 2) void this.load(this.asked.size, { after: this.last });
      return;
    }
    for (let page = Math.floor(first / PAGE); page * PAGE < Math.min(last, this.total); page++) {
      void this.load(page, { from_position: page * PAGE });
    }
  };

  private async load(page: number, from: Query): Promise<void> {
    if (this.asked.has(page) || (this.total === null && this.asked.size > page)) return;
    if (this.total === null && page > 0 && this.last === null) return;
    this.asked.add(page);
    try {
      const found = await api.get<Page<Story>>("/v1/stories", { ...this.query, ...from, limit: PAGE });
      for (const story of found.data) {
        const index = this.total === null ? this.length++ : story.position;
        this.stories.set(index, story);
        this.places.set(story.id, index);
      }
      this.last = found.last_id;
      this.hasMore = found.has_more;
      this.isLoaded = true;
    } catch (error) {
      tellError(error);
      setTimeout(() => this.asked.delete(page), 3000);
    }
    this.changed();
  }
}
