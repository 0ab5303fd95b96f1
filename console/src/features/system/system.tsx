import { api } from "../../shared/api/client";
import type { Page, Provider } from "../../shared/api/types";
import { moment, number } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { Badge, Card, ErrorNotice, Loading, Notice, PageHead } from "../../shared/ui/parts";
import { remedies, words } from "./words";

interface Bound {
  name: string;
  value: number | null;
  description: string;
  setting: string;
}

export function useProviders() {
  return useResource("providers", (signal) => api.get<Page<Provider>>("/v1/providers", {}, signal), () => 5000);
}

/** How the providers stand, and what this server allows. */
export function System() {
  const providers = useProviders();
  const bounds = useResource("limits", (signal) => api.get<Page<Bound>>("/v1/limits", {}, signal));
  return (
    <>
      <PageHead title={words.system} />
      <ErrorNotice error={providers.error ?? bounds.error} />
      {!providers.data && !providers.error && <Loading />}
      {providers.data && <Troubles providers={providers.data.data} />}
      {providers.data && (
        <Card title={words.providers} flush>
          <ProviderTable providers={providers.data.data} />
        </Card>
      )}
      {bounds.data && (
        <Card title={words.bounds} flush>
          <div class="table-wrap" tabIndex={0} role="region" aria-label={words.bounds}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{words.bound}</th>
                  <th scope="col" class="num">
                    {words.value}
                  </th>
                  <th scope="col">{words.means}</th>
                </tr>
              </thead>
              <tbody>
                {bounds.data.data.map((bound) => (
                  <tr key={bound.name}>
                    <td class="mono small" title={bound.setting}>
                      {bound.name}
                    </td>
                    <td class="num">{bound.value === null ? words.unlimited : number(bound.value)}</td>
                    <td class="small muted" lang="en">
                      {bound.description}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
    </>
  );
}

/** What is wrong with a provider, with what to do about it. */
export function Troubles({ providers }: { providers: Provider[] }) {
  return (
    <>
      {providers
        .filter((provider) => provider.verdict !== "well")
        .map((provider) => (
          <Notice key={provider.name} tone={provider.verdict === "silent" ? "warn" : "bad"}>
            <strong>{provider.name}</strong> {(remedies as Record<string, string>)[provider.verdict] ?? provider.verdict}
          </Notice>
        ))}
    </>
  );
}

function ProviderTable({ providers }: { providers: Provider[] }) {
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={words.providers}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.provider}</th>
            <th scope="col">{words.verdict}</th>
            <th scope="col">{words.since}</th>
            <th scope="col">{words.lastFailure}</th>
            <th scope="col">{words.limits}</th>
          </tr>
        </thead>
        <tbody>
          {providers.map((provider) => (
            <tr key={provider.name}>
              <td class="main-cell">{provider.name}</td>
              <td>
                <Badge status={provider.verdict} />
              </td>
              <td class="nowrap">
                {provider.since ? moment(provider.since) : words.never}
                {provider.until ? ` ${fill(words.until, { time: moment(provider.until) })}` : ""}
              </td>
              <td>
                {provider.last_failure
                  ? `${provider.last_failure.class.replace(/_/g, " ")}${provider.last_failure.upstream_status ? ` (HTTP ${provider.last_failure.upstream_status})` : ""}`
                  : "–"}
              </td>
              <td class="small">{describeLimits(provider.limits)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function describeLimits(limits: Provider["limits"]): string {
  const parts = [
    limits.requests_per_minute ? fill(words.rpm, { n: number(limits.requests_per_minute) }) : "",
    limits.tokens_per_minute ? fill(words.tpm, { n: number(limits.tokens_per_minute) }) : "",
    limits.concurrency ? fill(words.concurrency, { n: number(limits.concurrency) }) : "",
  ].filter(Boolean);
  return parts.join(" · ") || words.noLimits;
}
