"""Thumbnails as a service: `python3 -m uvicorn workloads.thumbnail.service:app --host 0.0.0.0 --port 8080`."""

from workloads.kit.service import make_app
from workloads.thumbnail.thumbnail import thumbnail

app = make_app(thumbnail)
