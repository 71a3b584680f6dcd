"""Nothing as a service: `python3 -m uvicorn workloads.noop.service:app --host 0.0.0.0 --port 8080`."""

from workloads.kit.service import make_app
from workloads.noop.noop import noop

app = make_app(noop)
