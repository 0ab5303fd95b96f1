"""The engine's Prometheus metrics, one registry per application."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the histograms' buckets: from one step to a long wait."""


class EngineMetrics:
    """What an operator watches: load, tokens, waiting, refusals."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.running = Gauge("engine_sequences_running", "Sequences in the batch", registry=r)
        self.waiting = Gauge("engine_sequences_waiting", "Sequences in the queue", registry=r)
        self.tokens = Counter("engine_completion_tokens", "Tokens written", registry=r)
        self.prompt_tokens = Counter("engine_prompt_tokens", "Tokens in prompts", registry=r)
        self.refused = Counter("engine_requests_refused", "Requests refused for lack of room", registry=r)
        self.refused_connections = Counter(
            "engine_connections_refused", "Connections closed or refused at the door, and why", ["reason"], registry=r
        )
        self.disconnected = Counter("engine_clients_disconnected", "Clients gone before the end", registry=r)
        self.step_seconds = Histogram("engine_step_seconds", "Time of a step", buckets=SECONDS, registry=r)
        self.first_token_seconds = Histogram(
            "engine_first_token_seconds", "From request to first text", buckets=SECONDS, registry=r
        )
