import { useState } from "preact/hooks";
import { api } from "../../shared/api/client";
import type { Dataset, Job, ModelObject } from "../../shared/api/types";
import { compact, usd } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go } from "../../shared/router";
import { Button, Dialog, ErrorNotice } from "../../shared/ui/parts";
import { tell } from "../../shared/ui/toasts";
import { words } from "./words";

interface Props {
  dataset: Dataset;
  isOpen: boolean;
  close: () => void;
}

/** Start a job on a dataset, with what it would take said before. */
export function Tune(props: Props) {
  return (
    <Dialog title={words.tuneTitle} isOpen={props.isOpen} onClose={props.close}>
      <Form {...props} />
    </Dialog>
  );
}

interface JobEstimate {
  billed_tokens: number | null;
  usd: number | null;
}

function Form({ dataset, close }: Props) {
  const models = useResource("models", (signal) => api.get<{ data: ModelObject[] }>("/v1/models", {}, signal));
  const [model, setModel] = useState("");
  const [suffix, setSuffix] = useState("");
  const [epochs, setEpochs] = useState("");
  const [error, setError] = useState<unknown>(null);
  const chosen = model || models.data?.data[0]?.id || "";
  const hyperparameters = epochs ? { n_epochs: Number(epochs) } : {};
  const body = { model: chosen, dataset: dataset.id, ...(suffix ? { suffix } : {}), method: { type: "supervised", supervised: { hyperparameters } } };
  const estimate = useResource(chosen ? JSON.stringify(body) : null, () => api.post<JobEstimate>("/v1/fine_tuning/estimate", body));
  const start = async () => {
    try {
      const job = await api.post<Job>("/v1/fine_tuning/jobs", body);
      tell(words.started);
      go(`/jobs/${job.id}`);
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <>
      <div class="field">
        <label for="tune-model">{words.model}</label>
        <select id="tune-model" class="select" value={chosen} onChange={(event) => setModel(event.currentTarget.value)}>
          {models.data?.data.map((other) => (
            <option key={other.id} value={other.id}>
              {other.id}
            </option>
          ))}
        </select>
      </div>
      <div class="form-row">
        <div class="field">
          <label for="tune-suffix">{words.suffix}</label>
          <input id="tune-suffix" class="input" placeholder="ultraman" value={suffix} onInput={(event) => setSuffix(event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="tune-epochs">{words.epochs}</label>
          <input
            id="tune-epochs"
            class="input"
            type="number"
            min={1}
            max={50}
            placeholder={words.auto}
            value={epochs}
            onInput={(event) => setEpochs(event.currentTarget.value)}
          />
        </div>
      </div>
      {estimate.data && (
        <p class="muted small">
          {fill(words.estimate, {
            tokens: estimate.data.billed_tokens == null ? "–" : compact(estimate.data.billed_tokens),
            usd: usd(estimate.data.usd),
          })}
        </p>
      )}
      <ErrorNotice error={error ?? models.error ?? estimate.error} />
      <div class="actions">
        <Button onClick={close}>{words.close}</Button>
        <Button kind="primary" disabled={!chosen} onClick={start}>
          {words.start}
        </Button>
      </div>
    </>
  );
}
