"""The streaming service's numbers for Prometheus, read from where they are counted when somebody asks."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.streaming.wiring import Streaming


def collect_metrics(streaming: Streaming) -> bytes:
    """Return the numbers of one process in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StreamingCollector(streaming))
    return generate_latest(registry)


class _StreamingCollector(Collector):
    def __init__(self, streaming: Streaming) -> None:
        self._streaming = streaming

    def collect(self) -> Iterable[Metric]:
        hub, clients = self._streaming.hub, self._streaming.clients
        counters = hub.counters
        yield GaugeMetricFamily("storymill_stream_clients", "Sockets and event streams open", len(clients))
        yield GaugeMetricFamily("storymill_stream_viewers", "Subscriptions", hub.viewer_count)
        yield GaugeMetricFamily("storymill_streams_hot", "Streams held in memory", hub.stream_count)
        yield CounterMetricFamily("storymill_stream_frames", "Frames taken in", counters.frames)
        yield CounterMetricFamily("storymill_stream_stale_frames", "Frames dropped as known", counters.stale_frames)
        yield CounterMetricFamily("storymill_stream_gaps", "Holes that the log did not fill", counters.gaps)
        yield CounterMetricFamily("storymill_stream_log_reads", "Reads of stream logs", counters.log_reads)
        yield CounterMetricFamily("storymill_stream_row_loads", "Streams looked up in Postgres", counters.row_loads)
        yield CounterMetricFamily("storymill_stream_connects", "Connections of the live feed", counters.reconnects)
        yield CounterMetricFamily("storymill_stream_slow_closes", "Clients closed as too slow", clients.slow_closes)
