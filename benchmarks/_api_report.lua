-- The load of the API benchmark: what it sends beside the URL, and its figures as one line of JSON.

wrk.headers["Accept"] = "application/json"
wrk.headers["User-Agent"] = "credfirewall-benchmark"
wrk.headers["Authorization"] = os.getenv("BENCHMARK_AUTHORIZATION")

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.6f, "p99": %.6f}\n',
    summary.requests,
    summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e6,
    latency:percentile(99) / 1e6
  ))
end
