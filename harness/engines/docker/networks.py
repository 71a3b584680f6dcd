"""The networks of one run, which lead nowhere but to the harness, and the namespaces made ahead on them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import docker
from docker.models.networks import Network as DockerNetwork

from harness.engines.base import LABEL, Network
from harness.engines.docker.sandboxes import Sandbox, Sandboxes
from harness.engines.ownership import container_user


class Networks:
    """Those of a run whose image is `image`. Its methods block, and any thread may call them."""

    def __init__(self, client: docker.DockerClient, image: str, run: str, labels: Mapping[str, str]) -> None:
        self._client = client
        self._run = run
        self._labels = dict(labels)
        self._network = self._make("harness")
        # Made when first asked for: few runs have containers that speak to one another.
        self._peers: DockerNetwork | None = None
        self._making_peers = threading.Lock()
        user = "{}:{}".format(*container_user())
        names: dict[Network, str] = {"harness": str(self._network.name), "none": "none"}
        self._sandboxes = {
            kind: Sandboxes(client, image, name, user, self._labels) for kind, name in names.items()
        }

    @property
    def gateway(self) -> str:
        """The harness's own address on the run's network."""
        address: str = self._network.attrs["IPAM"]["Config"][0]["Gateway"]
        return address.partition("/")[0]

    def reserve(self, count: int, network: Network) -> None:
        """Have so many namespaces; those of peers are made with their containers."""
        if network in self._sandboxes:
            self._sandboxes[network].reserve(count)

    def take(self, network: Network) -> Sandbox | None:
        """A namespace made ahead, for one container; None where there is none. Does not block."""
        return self._sandboxes[network].take() if network in self._sandboxes else None

    def give_back(self, network: Network, sandbox: Sandbox | None) -> None:
        """Its container is gone, or has never been. Does not block."""
        if sandbox is not None:
            self._sandboxes[network].give_back(sandbox)

    def open_peers(self) -> None:
        """Make the network on which containers reach one another, if it has not been made."""
        with self._making_peers:
            self._peers = self._peers or self._make("peers")

    def mode(self, network: Network, sandbox: Sandbox | None) -> str:
        """What Docker is told of a container's network."""
        if sandbox is not None:
            return f"container:{sandbox.container_id}"
        if network == "none":
            return "none"
        return str((self._peers if network == "peers" and self._peers else self._network).name)

    def _make(self, kind: Network) -> DockerNetwork:
        """A network that leads nowhere but to the harness, and from one container to another for peers alone."""
        network = self._client.networks.create(
            f"{LABEL}-{self._run}{'' if kind == 'harness' else f'-{kind}'}".lower(),
            driver="bridge",
            internal=True,
            labels=self._labels,
            options={"com.docker.network.bridge.enable_icc": "true" if kind == "peers" else "false"},
        )
        network.reload()
        return network
